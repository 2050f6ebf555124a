"""What rules of selection go by: numbers for each weight, and which weights make up a layer."""

from dataclasses import dataclass

import torch
from torch import nn

from unlearning.base import checks
from unlearning.base.precision import in_full_float32
from unlearning.curvature.rows import Rows
from unlearning.problem.objective import Objective
from unlearning.problem.samples import Samples

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


@dataclass(frozen=True, eq=False)
class Evidence:
    """Numbers for each of the d weights; a rule asks for those it needs, the rest may be None.

    Args:
        objective: whose layers the weights belong to.
        weights: the learned weights, for the rules by magnitude.
        diagonal: ``H_ii``, of whatever estimator, penalty included or not.
        gradient: G, as ``Change.gradient`` has it.
        fisher: mean square of the gradients over all rows.
        forget_fisher: the same over the rows that change.
        saliency: size of the gradient over the rows that change, as ``saliency`` gives it.
        damping: added to ``H_ii`` where a rule divides by it.

    Raises:
        ValueError: for numbers that are not finite tensors ``[d]``, or a negative damping.
    """

    objective: Objective
    weights: torch.Tensor | None = None
    diagonal: torch.Tensor | None = None
    gradient: torch.Tensor | None = None
    fisher: torch.Tensor | None = None
    forget_fisher: torch.Tensor | None = None
    saliency: torch.Tensor | None = None
    damping: float = 0.0

    def __post_init__(self):
        checks.instance("objective", self.objective, Objective, "an unlearning.Objective")
        checks.finite("damping", self.damping, least=0.0)
        for name in NUMBERS:
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, _numbers(name, value, self.objective.dimension))

    def need(self, name: str) -> torch.Tensor:
        """The numbers of that name, float64 on the CPU.

        Raises:
            ValueError: if they are missing.
        """
        value = getattr(self, name)
        if value is None:
            checks.fail("evidence", f"{name} [d], which this rule goes by", "none")
        return value


NUMBERS = ("weights", "diagonal", "gradient", "fisher", "forget_fisher", "saliency")


def _numbers(name: str, value, d: int) -> torch.Tensor:
    if not isinstance(value, torch.Tensor) or value.shape != (d,):
        given = list(value.shape) if isinstance(value, torch.Tensor) else type(value).__name__
        checks.fail(name, f"a tensor of shape [{d}]", given)
    if not bool(value.isfinite().all()):
        checks.fail(name, "finite numbers", "NaN or infinity among them")
    return value.detach().to(device="cpu", dtype=torch.float64)


def alive(diagonal: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
    """Where not both ``H_ii`` and ``G_i`` are 0: a bool mask ``[d]``.

    A dead weight (of a unit that never fires, a pixel that is always 0) moves under no correction
    without penalty. Give the diagonal without penalty, which would make every weight alive.

    Raises:
        ValueError: for tensors of different shapes.
    """
    if diagonal.shape != gradient.shape or diagonal.ndim != 1:
        given = f"{list(diagonal.shape)} and {list(gradient.shape)}"
        checks.fail("diagonal", "the shape [d] of the gradient", given)
    return (diagonal != 0) | (gradient.to(diagonal.device) != 0)


@in_full_float32
def saliency(objective: Objective, w: torch.Tensor, samples: Samples) -> torch.Tensor:
    """``|mean gradient of the loss|`` over some rows (SalUn, Fan et al. 2024): ``[d]``, float64.

    Args:
        objective: whose loss; the penalty takes no part.
        w: the learned weights, shape ``[d]``.
        samples: the rows that change, as they were.

    Raises:
        ValueError: for samples or weights that do not fit the objective.
    """
    return Rows(objective, samples, w).loss_and_gradient()[1].abs()


def last_layer(objective: Objective) -> torch.Tensor:
    """Mask ``[d]`` of the module that holds the last trainable parameter: its weight and bias."""
    last = list(_named_sizes(objective))[-1].rpartition(".")[0]
    return _mask(objective, lambda name: name.rpartition(".")[0] == last)


def dense_head(objective: Objective) -> torch.Tensor:
    """Mask ``[d]`` of all parameters from the first dense layer after the last convolution on.

    For a network of dense layers alone that is everything. Layers count in the order in which the
    module registers them.

    Raises:
        ValueError: if no dense layer with trainable parameters comes after the convolutions.
    """
    modules = list(objective.architecture.named_modules())
    convolutions = [i for i, (_, m) in enumerate(modules) if isinstance(m, _CONVOLUTIONS)]
    first = convolutions[-1] + 1 if convolutions else 0
    dense = [name for name, module in modules[first:] if isinstance(module, nn.Linear)]
    names = list(_named_sizes(objective))
    owners = [name.rpartition(".")[0] for name in names]
    starts = [owners.index(name) for name in dense if name in owners]
    if not starts:
        checks.fail("rule", "one that fits a model without a dense head", "'dense_head'")
    head = set(names[min(starts) :])
    return _mask(objective, head.__contains__)


def tensor_sizes(objective: Objective) -> list[int]:
    """How many weights each named parameter has, in their order in the flat vector."""
    return list(_named_sizes(objective).values())


def _named_sizes(objective: Objective) -> dict[str, int]:
    parts = objective.unflatten(objective.initial_weights)
    return {name: part.numel() for name, part in parts.items()}


def _mask(objective: Objective, wanted) -> torch.Tensor:
    sizes = _named_sizes(objective).items()
    return torch.cat([torch.full((size,), bool(wanted(name))) for name, size in sizes])
