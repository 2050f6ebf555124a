"""The reference of every comparison: the same run without the deleted samples."""

import dataclasses
import warnings
from collections import deque

import torch

from unlearning.base import checks
from unlearning.base.precision import in_full_float32
from unlearning.training.descent import Position, descend, on_device
from unlearning.training.trajectory import Run

CONVENTIONS = ("R1", "R2", "R3")


@in_full_float32
def retrain(
    run: Run,
    forget,
    *,
    convention: str = "R2",
    batch_seed: int | None = None,
) -> torch.Tensor:
    """Repeat a run from the same initial weights, with the deleted samples left out of each batch.

    What "left out" means is a choice, and results depend on it. With B the batch of a step, K the
    rows of it that stay, and ``l`` the loss of one sample:

    * ``R1``: mean over K, penalty whole (what the released code retrains);
    * ``R2``: ``1/|B|`` times the sum over K of ``grad l + l2 * w``: each sample takes its share of
      the penalty along (the default: our reading of the HF-OCU paper, which keeps ``|B|``);
    * ``R3``: ``1/|B|`` times the sum over K of ``grad l``, penalty whole.

    Of a batch deleted whole, R1 makes no step (with a warning), R2 makes none either, and R3 only
    shrinks the weights.

    Args:
        run: the run to repeat: initial weights, batches, step sizes and clip.
        forget: sample numbers, distinct.
        convention: ``R1``, ``R2`` or ``R3``.
        batch_seed: another seed for the batch order, to see how much the order alone changes.

    Returns:
        The retrained weights, shape ``[d]``.

    Raises:
        ValueError: if ``forget`` is empty, holds all samples, or holds an invalid or repeated
            number; for an unknown convention; or if the loss stops being finite.
    """
    n = len(run.samples)
    forget = checks.forget_set("forget", forget, n)
    checks.choice("convention", convention, CONVENTIONS)
    schedule, batches = run.schedule, run.batches
    if batch_seed is not None:
        schedule = dataclasses.replace(schedule, seed=batch_seed)
        batches = schedule.batches(n)
    keeps = torch.ones(n, dtype=torch.bool)
    keeps[forget] = False
    kept = on_device([batch[keeps[batch]] for batch in batches], run.samples.inputs.device)

    def gradient(w, t):
        return kept_gradient(run, w, kept[t], len(batches[t]), convention)

    start = Position(run.initial_weights)
    steps = descend(start, len(batches), schedule, gradient, "retrain")
    ((_, end),) = deque(steps, maxlen=1)
    return end.weights


def kept_gradient(run: Run, w: torch.Tensor, kept: torch.Tensor, size: int, convention: str):
    """Gradient with penalty, and loss, of the ``kept`` part of a batch of ``size`` samples.

    None for no step.
    """
    if len(kept) == 0:
        if convention == "R3":
            return run.objective.l2 * w, w.new_zeros(())
        if convention == "R1":
            warnings.warn("R1: a batch was deleted whole, its step is left out", stacklevel=2)
        return None
    inputs, labels = run.samples.inputs[kept], run.samples.labels[kept]
    gradient, loss = run.objective.gradient_and_loss(w, inputs, labels)
    loss_weight, penalty_weight = weights_kept(len(kept) / size, convention)
    return loss_weight * gradient + penalty_weight * run.objective.l2 * w, loss


def weights_kept(share: float, convention: str) -> tuple[float, float]:
    """Weights on the mean loss of the rows that stay, and on the penalty, where a share stays."""
    return (1.0 if convention == "R1" else share), (share if convention == "R2" else 1.0)
