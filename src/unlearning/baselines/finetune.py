"""Going on with gradient descent: on the samples that stay, or uphill on those to forget."""

import dataclasses
import math
from collections import deque
from collections.abc import Iterable

import torch

from unlearning.base import checks
from unlearning.base.precision import in_full_float32
from unlearning.baselines.quirks import FINE_TUNE_QUIRKS, NEG_GRAD_QUIRKS, checked
from unlearning.training.descent import Position, descend, on_device
from unlearning.training.retained import retained
from unlearning.training.schedule import Schedule
from unlearning.training.trajectory import Run


@in_full_float32
def fine_tune(
    run: Run,
    forget,
    *,
    convention: str = "R2",
    epochs: int = 15,
    quirks: Iterable[str] = (),
    **changes,
) -> torch.Tensor:
    """Go on with SGD from the learned weights, on the samples that stay.

    With B a batch of them, a step goes along ``a * mean over B of grad l + p * l2 * w``, clipped,
    where a and p are 1 under R1, ``c = (n - m)/n`` under R2, and c and 1 under R3: the gradient of
    the objective that is left, estimated on B. The released code does R1.

    Args:
        run: whose weights to start from, and whose schedule to follow.
        forget: sample numbers, distinct.
        convention: ``R1``, ``R2`` or ``R3``.
        epochs: passes over the samples that stay; 15 in the released code.
        quirks: ``restarted_decay``; without it the decay goes on from one epoch to the next. Either
            way it begins at eta_0.
        changes: other values for the fields of the schedule, such as ``step_size`` or ``seed``.

    Returns:
        The weights, shape ``[d]``.

    Raises:
        ValueError: for an invalid set, convention, quirk or schedule, or if the loss stops being
            finite.
    """
    quirks = checked(quirks, FINE_TUNE_QUIRKS)
    left = retained(len(run.samples), _forget_set(run, forget), convention)
    penalty = left.penalty_weight * run.objective.l2
    size = changes.pop("batch_size", run.schedule.batch_size)
    size = min(checks.integer("batch_size", size, least=1), len(left.kept))
    schedule = _changed(run.schedule, batch_size=size, epochs=epochs, **changes)
    per_epoch = math.ceil(len(left.kept) / size) if quirks else None
    return _walk(run, left.kept, schedule, (left.loss_weight, penalty), per_epoch, "fine-tune")


@in_full_float32
def neg_grad(
    run: Run,
    forget,
    *,
    epochs: int = 2,
    batch_size: int = 50,
    step_size: float | None = None,
    quirks: Iterable[str] = (),
) -> torch.Tensor:
    """Climb the loss of the samples to forget, from the learned weights, without clipping.

    With B a batch of them, a step is ``w <- w + eta * mean over B of grad l``. The samples that
    stay take no part, so there is nothing for a convention to decide.

    Args:
        run: whose weights to start from; its seed and ``reshuffle`` order the batches.
        forget: sample numbers, distinct.
        epochs: passes over the forget set; 2 in the released code.
        batch_size: of its batches; 50 in the released code.
        step_size: eta, the same for all steps; by default a tenth of the run's first, as released.
        quirks: ``ascended_penalty`` climbs ``l2/2 |w|^2`` as well.

    Returns:
        The weights, shape ``[d]``.

    Raises:
        ValueError: for an invalid set, quirk, or value of the schedule, or if the loss stops being
            finite.
    """
    quirks = checked(quirks, NEG_GRAD_QUIRKS)
    rows = _forget_set(run, forget)
    step_size = 0.1 * run.schedule.step_size if step_size is None else step_size
    size = min(checks.integer("batch_size", batch_size, least=1), len(rows))
    schedule = _changed(
        run.schedule, step_size=step_size, decay=1.0, batch_size=size, epochs=epochs, clip=None
    )
    penalty = -run.objective.l2 if quirks else 0.0
    return _walk(run, rows, schedule, (-1.0, penalty), None, "NegGrad")


def _forget_set(run: Run, forget) -> list[int]:
    return checks.forget_set("forget", forget, len(run.samples))


def _changed(schedule: Schedule, **changes) -> Schedule:
    known = [field.name for field in dataclasses.fields(Schedule)]
    for name in changes:
        checks.choice("changes", name, known)
    return dataclasses.replace(schedule, **changes)


def _walk(run: Run, rows, schedule: Schedule, weights, per_epoch: int | None, description: str):
    """Descend along ``loss weight * mean gradient + penalty * w`` over batches of some rows.

    Step sizes begin anew after every ``per_epoch`` steps.
    """
    samples = run.samples[rows]
    batches = on_device(schedule.batches(len(rows)), samples.inputs.device)
    loss_weight, penalty = weights
    position, total = Position(run.weights), len(batches)
    count = per_epoch or total
    for first in range(0, total, count):

        def gradient(w, t, first=first):
            batch = batches[first + t]
            inputs, labels = samples.inputs[batch], samples.labels[batch]
            gradient, loss = run.objective.gradient_and_loss(w, inputs, labels)
            return loss_weight * gradient + penalty * w, loss

        walk = descend(Position(position.weights), count, schedule, gradient, description)
        ((_, position),) = deque(walk, maxlen=1)
    return position.weights
