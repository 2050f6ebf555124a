"""Stochastic gradient descent that remembers its path."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch

from unlearning.base import checks
from unlearning.base.progress import track
from unlearning.base.provenance import digest
from unlearning.problem.objective import Objective
from unlearning.problem.samples import Samples
from unlearning.training.schedule import Schedule

# (weights [d], sample numbers of the batch) -> (gradient [d] with penalty, mean loss), or None
# where the step is left out
BatchGradient = Callable[[torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor] | None]


@dataclass(frozen=True, eq=False)
class Run:
    """A training run with all that unlearning needs of it.

    Attributes:
        objective: what was minimised.
        samples: the n training samples.
        schedule: step sizes, batch order, clip.
        batches: sample numbers of each of the T steps.
        step_sizes: eta_t of each step.
        clip_factors: ``min(1, C / |g_t|)`` of each step; 1 where the clip was idle.
        trajectory: the weights before each step and after the last, shape ``[T + 1, d]``.
    """

    objective: Objective
    samples: Samples
    schedule: Schedule
    batches: list[torch.Tensor]
    step_sizes: list[float]
    clip_factors: list[float]
    trajectory: torch.Tensor

    def __len__(self) -> int:
        """The number of steps, T."""
        return len(self.batches)

    @property
    def weights(self) -> torch.Tensor:
        """The learned weights, after the last step: shape ``[d]``."""
        return self.trajectory[-1].clone()

    @property
    def initial_weights(self) -> torch.Tensor:
        """The weights before the first step: shape ``[d]``."""
        return self.trajectory[0].clone()

    def weights_at(self, t: int) -> torch.Tensor:
        """The weights before step ``t`` (``t = T``: after the last step), shape ``[d]``.

        Raises:
            ValueError: if ``t`` is not in ``0..T``.
        """
        return self.trajectory[checks.integer("t", t, least=0, most=len(self))].clone()

    @cached_property
    def fingerprint(self) -> str:
        """Identifies the run: approximators carry it, so that they are never used with another."""
        what = f"{self.schedule} {self.objective.l2} {self.objective.loss_name}"
        ends = (self.trajectory[0], self.trajectory[-1])
        return digest(what, *ends, self.samples.inputs, self.samples.labels)


def train(
    objective: Objective,
    samples: Samples,
    schedule: Schedule,
    *,
    initial_weights: torch.Tensor | None = None,
) -> Run:
    """Minimise the objective by SGD and remember the weights before every step.

    One step is ``w <- w - eta_t * c_t * g_t`` with ``g_t`` the gradient of the mean batch loss plus
    ``l2 * w`` and ``c_t = min(1, clip / |g_t|)``.

    Args:
        objective: loss, model and penalty.
        samples: the training samples.
        schedule: step sizes, batches, clip.
        initial_weights: where to start, shape ``[d]``; the model's own weights by default.

    Raises:
        ValueError: if objective, samples and schedule do not fit together, or the loss stops being
            finite (the message names the step).
    """
    objective.check_samples(samples)
    start = objective.initial_weights if initial_weights is None else initial_weights
    _check_start(start, objective.initial_weights)
    batches = schedule.batches(len(samples))

    def batch_gradient(w, batch):
        inputs, labels = samples.inputs[batch], samples.labels[batch]
        gradient, loss = objective.gradient_and_loss(w, inputs, labels)
        return gradient + objective.l2 * w, loss

    path, factors = descend(start, batches, schedule, batch_gradient, "train")
    steps = schedule.step_sizes(len(batches))
    return Run(objective, samples, schedule, batches, steps, factors, path)


def _check_start(start: torch.Tensor, like: torch.Tensor) -> None:
    wanted = f"a tensor of shape {list(like.shape)}, {like.dtype} on {like.device}"
    if not isinstance(start, torch.Tensor):
        checks.fail("initial_weights", wanted, type(start).__name__)
    if (start.shape, start.dtype, start.device) != (like.shape, like.dtype, like.device):
        given = f"shape {list(start.shape)}, {start.dtype} on {start.device}"
        checks.fail("initial_weights", wanted, given)


def descend(
    start: torch.Tensor,
    batches: list[torch.Tensor],
    schedule: Schedule,
    batch_gradient: BatchGradient,
    description: str,
    *,
    keep: bool = True,
) -> tuple[torch.Tensor, list[float]]:
    """The loop that training and retraining share.

    Returns:
        The weights before each step and after the last, ``[T + 1, d]`` (only the last, ``[1, d]``,
        unless ``keep``), and the clip factor of each step.

    Raises:
        ValueError: if a loss or gradient is not finite; the message names the step.
    """
    total, factors = len(batches), []
    path = torch.empty(total + 1 if keep else 1, len(start), dtype=start.dtype, device=start.device)
    w = start.detach().clone()
    step_sizes = schedule.step_sizes(total)
    for t, batch in enumerate(track(batches, description, total)):
        if keep:
            path[t] = w
        found = batch_gradient(w, batch.to(w.device))
        factors.append(1.0)
        if found is None:
            continue
        gradient, loss = found
        norm = float(torch.linalg.vector_norm(gradient))
        if not (math.isfinite(float(loss)) and math.isfinite(norm)):
            checks.fail("step_size", "steps along which the loss stays finite",
                        f"loss {float(loss)} and gradient norm {norm} at step {t} of {total} "
                        f"(eta_0 = {schedule.step_size:g})")  # fmt: skip
        if schedule.clip is not None and norm > schedule.clip:
            factors[-1] = schedule.clip / norm
        w = w - step_sizes[t] * factors[-1] * gradient
    path[-1] = w
    return path, factors
