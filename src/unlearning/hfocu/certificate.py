"""Bounds on what HF-OCU leaves undone, or a refusal: convex losses, R2, an idle clip."""

import torch

from unlearning.base import checks
from unlearning.hfocu import constants
from unlearning.hfocu.bounds import Bound, certified
from unlearning.training.schedule import Schedule
from unlearning.training.trajectory import Run


def public_bound(
    schedule: Schedule,
    n: int,
    *,
    radius: float,
    l2: float,
    deletions: int,
    initial_weights: torch.Tensor | None = None,
) -> Bound:
    """Bounds for softmax regression on any data of a given size: no sample is looked at.

    Args:
        schedule: of the run.
        n: number of samples.
        radius: what no input's norm exceeds, the constant 1 of a bias included, by construction.
        l2: strength of the penalty.
        deletions: bounds hold for every forget set of at most this many samples.
        initial_weights: where the run starts, shape ``[d]``; zeros if None.

    Raises:
        ValueError: for a value out of its range, a bound that is not finite, or a clip that a
            gradient could reach.
    """
    checks.integer("n", n, least=2)
    checks.finite("radius", radius, above=0.0)
    checks.finite("l2", l2, least=0.0)
    checks.integer("deletions", deletions, least=1, most=n - 1)
    start = 0.0 if initial_weights is None else float(torch.linalg.vector_norm(initial_weights))
    steps = constants.public(schedule, n, radius=radius, l2=l2, deletions=deletions, start=start)
    return certified(list(steps), schedule.clip)


def measured_bound(run: Run, *, deletions: int | None = None, forget=None) -> Bound:
    """Bounds with constants measured on a run's own data: they hold for this run only.

    Sizes of inputs and gradients, and the Hessians' largest eigenvalues, are taken from the data.
    So the result depends on the samples, and publishing it tells of them. Eigenvalues are as good
    as Lanczos finds them (``curvature.spectrum``).

    Args:
        run: of one linear layer, with its weights at every step.
        deletions: bounds for every forget set of at most this many samples.
        forget: bounds for this forget set; give one of the two.

    Raises:
        ValueError: for a loss that is not convex, a clip that was active or that a retraining could
            reach, a bound that is not finite, or an invalid number or set.
    """
    if (deletions is None) == (forget is None):
        checks.fail("forget", "either deletions or forget", "both" if forget else "neither")
    n = len(run.samples)
    if forget is None:
        checks.integer("deletions", deletions, least=1, most=n - 1)
    else:
        forget = checks.forget_set("forget", forget, n)
    constants.convex_loss(run.objective)
    clipped = [t for t, factor in enumerate(run.clip_factors) if factor < 1]
    if clipped:
        checks.fail("run", "one whose clip was idle in every step",
                    f"a clip that was active in {len(clipped)} of {len(run)}")  # fmt: skip
    steps = list(constants.measured(run, deletions=deletions, forget=forget))
    return certified(steps, run.schedule.clip)
