"""What tells one objective from another, beyond its trainable weights."""

import torch

from unlearning.base.provenance import digest
from unlearning.problem.objective import Objective
from unlearning.problem.samples import Samples

#: Samples on which the function is tried.
PROBED = 2


def identity_of(objective: Objective, samples: Samples) -> str:
    """Identifies the function that is minimised: layers, penalty, frozen tensors, and its values.

    Layers do not show all that they do (an attribute of one's own module, say), hence the values:
    of the first samples, at fixed weights. They are taken in float64 and rounded, as their last
    digits depend on the machine.

    Args:
        objective: whose trainable weights do not count.
        samples: that fit it.
    """
    module = objective.architecture
    trained = objective.unflatten(objective.initial_weights)
    tensors = dict(module.named_parameters()) | dict(module.named_buffers())
    frozen = {name: tensor for name, tensor in tensors.items() if name not in trained}
    what = f"{objective.l2} {objective.loss_name} {module} {list(trained)} {list(frozen)}"
    return digest(what, *frozen.values(), _values(objective, samples))


def _values(objective: Objective, samples: Samples) -> str:
    """Outputs and loss at weights that are all different, to six digits of the largest."""
    twin = objective.to(torch.float64, "cpu")
    few = samples[:PROBED].to(torch.float64, "cpu")
    w = torch.arange(twin.dimension, dtype=torch.float64).cos() / 10
    try:
        outputs = twin.outputs(w, few.inputs).flatten()
        values = torch.cat([outputs, twin.losses(w, few)]).detach()
    except RuntimeError:  # a model that holds tensors of a dtype or on a device of its own
        return "not tried"
    # Adding 0.0 makes 0 of -0: which of them it is depends on the machine too.
    scale = values.abs().max().clamp(min=torch.finfo(torch.float64).tiny)
    return str([round(float(value), 6) + 0.0 for value in values / scale])
