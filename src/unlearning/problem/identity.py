"""What tells one objective from another, beyond its trainable weights."""

import torch
from torch import nn

from unlearning.base.provenance import digest
from unlearning.problem.objective import Objective
from unlearning.problem.samples import Samples

#: Samples on which the function is tried.
PROBED = 16
PLAIN = (bool, int, float, complex, str, bytes, type(None))


def identity_of(objective: Objective, samples: Samples) -> str:
    """Identifies the function that is minimised: layers, penalty, frozen tensors, and its values.

    Layers do not show all that they do. Hence their plain attributes count (``self.scale = 3``),
    and the values on the first samples, at small and at large weights. These are taken in float64
    and rounded, as their last digits depend on the machine. Functions that differ in none of this
    are taken for one.

    Args:
        objective: whose trainable weights do not count.
        samples: that fit it.
    """
    module = objective.architecture
    trained = objective.unflatten(objective.initial_weights)
    tensors = dict(module.named_parameters()) | dict(module.named_buffers())
    frozen = {name: tensor for name, tensor in tensors.items() if name not in trained}
    what = f"{objective.l2} {objective.loss_name} {module} {list(trained)} {list(frozen)}"
    hidden = str([_attributes(layer) for layer in module.modules()])
    return digest(what, hidden, *frozen.values(), _values(objective, samples))


def _attributes(layer: nn.Module) -> list[tuple[str, str]]:
    return sorted(
        (name, repr(value))
        for name, value in vars(layer).items()
        if not name.startswith("_") and name != "training" and _is_plain(value)
    )


def _is_plain(value) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return isinstance(value, PLAIN)


def _values(objective: Objective, samples: Samples) -> str:
    """Outputs and losses, at small and at large weights that are all different."""
    twin = objective.to(torch.float64, "cpu")
    few = samples[:PROBED].to(torch.float64, "cpu")
    spread = torch.arange(twin.dimension, dtype=torch.float64).cos()
    try:
        tried = [
            torch.cat([twin.outputs(w, few.inputs).flatten(), twin.losses(w, few)]).detach()
            for w in (spread / 10, spread * 3)
        ]
    except Exception:  # a model may refuse float64, or the CPU, in any way it likes
        return "not tried"
    return " ".join(map(_rounded, tried))


def _rounded(values: torch.Tensor) -> str:
    """To six digits of the largest."""
    scale = values.abs().max().clamp(min=torch.finfo(torch.float64).tiny)
    # Adding 0.0 makes 0 of -0: which of them it is depends on the machine too.
    return str([round(float(value), 6) + 0.0 for value in values / scale])
