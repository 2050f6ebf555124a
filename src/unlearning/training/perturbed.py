"""How much a run magnifies a change of its start that nobody would notice."""

import torch

from unlearning.base import checks
from unlearning.training.trajectory import Run, train


def perturbed(run: Run, *, amount: float = 1e-7) -> torch.Tensor:
    """The learned weights of the same run with every initial weight moved by ``amount``.

    Their distance to ``run.weights`` is the *perturbation floor*: smaller distances of other models
    mean nothing. In float32, 1e-7 is about the spacing of the numbers next to 1; initial weights
    are smaller, so they do move.

    Args:
        run: the run to repeat.
        amount: added to each initial weight.

    Returns:
        The weights, shape ``[d]``.

    Raises:
        ValueError: if the start does not move, or the loss stops being finite.
    """
    checks.finite("amount", amount)
    start = run.initial_weights
    moved = start + amount
    if torch.equal(moved, start):
        checks.fail("amount", f"a number that moves weights of {start.dtype}", amount)
    samples, schedule = run.samples, run.schedule
    return train(run.objective, samples, schedule, initial_weights=moved, keep=False).weights
