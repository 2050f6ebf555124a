"""The mean objective as a function of the weights, and slices through it.

Slices show values along random directions whose parts have the size of the weights' own: each
filter of a direction (the weights into one unit or channel) is scaled to the norm of that filter of
the weights, so that a network whose layers are scaled up and down against each other, which
computes the same, has the same picture (Li, Xu, Taylor, Studer and Goldstein 2018). Biases and
other parameters of one axis stay where they are, as in the paper's code.
"""

import torch

from unlearning.base import checks
from unlearning.base.precision import in_full_float32
from unlearning.curvature.rows import BATCH, Rows
from unlearning.problem.objective import Objective
from unlearning.problem.samples import Samples


class Landscape:
    """``F = mean loss over samples + l2/2 |w|^2``, the samples a batch at a time.

    Args:
        objective: loss, model and penalty.
        samples: the rows over which the mean is taken.
        w: a point, shape ``[d]``.
        penalty: whether ``l2/2 |w|^2`` is in F.
        dtype: ``torch.float64``, whatever the weights come in, or ``torch.float32``.
        batch: samples looked at together.

    Attributes:
        w: the point in that dtype.
        l2: strength of the penalty in F.
        passes: how many times all samples have been looked at.

    Raises:
        ValueError: if objective, samples and point do not fit together, or a value is out of range.
    """

    def __init__(
        self,
        objective: Objective,
        samples: Samples,
        w: torch.Tensor,
        *,
        penalty: bool = True,
        dtype: torch.dtype = torch.float64,
        batch: int = BATCH,
    ):
        self.l2 = objective.l2 if checks.boolean("penalty", penalty) else 0.0
        self._rows = Rows(objective, samples, w, dtype=dtype, batch=batch)
        self.w = self._rows.w
        self.passes = 0

    def value(self, w: torch.Tensor) -> float:
        """``F(w)``."""
        self.passes += 1
        objective, total = self._rows.objective, self._penalty(w)
        with torch.no_grad():
            for share, inputs, labels in self._rows:
                total += share * float(objective.mean_loss(w, inputs, labels))
        return total

    def value_and_gradient(self, w: torch.Tensor) -> tuple[float, torch.Tensor]:
        """``F(w)`` and its gradient ``[d]``."""
        self.passes += 1
        self._rows.w = w
        loss, gradient = self._rows.loss_and_gradient()
        return loss + self._penalty(w), gradient + self.l2 * w

    def _penalty(self, w: torch.Tensor) -> float:
        return self.l2 / 2 * float(w @ w)


def filter_normalised(objective: Objective, w: torch.Tensor, *, seed: int = 0) -> torch.Tensor:
    """A random direction ``[d]`` with the norm of each filter of the weights.

    Args:
        objective: whose model says which weights are a filter: those with the same first index in a
            parameter of two axes or more. All other entries are 0.
        w: the weights, shape ``[d]``.
        seed: of the normal distribution that it is drawn from.

    Raises:
        ValueError: if ``w`` is not ``[d]`` or the seed is out of its range.
    """
    seed = checks.integer("seed", seed, least=0, most=2**64 - 1)
    if w.shape != (objective.dimension,):
        checks.fail("w", f"shape [{objective.dimension}]", list(w.shape))
    generator = torch.Generator().manual_seed(seed)
    direction = torch.randn(len(w), generator=generator, dtype=torch.float64).to(w)
    own = objective.unflatten(w)
    for name, part in objective.unflatten(direction).items():
        if part.ndim < 2:
            part.zero_()
            continue
        drawn, wanted = part.flatten(1), own[name].flatten(1)
        drawn *= (wanted.norm(dim=1) / drawn.norm(dim=1))[:, None]
    return direction


@in_full_float32
def loss_slice(
    objective: Objective,
    samples: Samples,
    w: torch.Tensor,
    directions: torch.Tensor,
    steps,
    **options,
) -> torch.Tensor:
    """Values of the mean objective along a line, or on a plane, through ``w``.

    Args:
        objective: loss, model and penalty.
        samples: the rows over which the mean is taken.
        w: the point, shape ``[d]``.
        directions: one ``[1, d]`` or two ``[2, d]``.
        steps: how far to go along each, numbers ``[m]``.
        options: ``penalty``, ``dtype`` and ``batch`` as for ``Landscape``.

    Returns:
        Shape ``[m]``, or ``[m, m]`` with the first direction's steps down; float64.

    Raises:
        ValueError: for other shapes, or if something else does not fit.
    """
    landscape = Landscape(objective, samples, w, **options)
    d = len(landscape.w)
    if not isinstance(directions, torch.Tensor) or directions.shape not in ((1, d), (2, d)):
        given = getattr(directions, "shape", type(directions).__name__)
        checks.fail("directions", f"a tensor of shape [1, {d}] or [2, {d}]", str(given))
    listed = checks.listed("steps", steps, "a list of numbers")
    steps = torch.tensor([checks.finite("steps", step) for step in listed]).to(landscape.w)
    directions = directions.to(landscape.w)
    grids = torch.meshgrid(*[steps] * len(directions), indexing="ij")
    places = torch.stack(grids, -1).flatten(0, -2)
    values = [landscape.value(landscape.w + place @ directions) for place in places]
    return torch.tensor(values, dtype=torch.float64).view(grids[0].shape)
