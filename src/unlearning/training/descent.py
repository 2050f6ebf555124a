"""The loop of stochastic gradient descent that training and retraining share.

It goes in stretches of some steps. Inside a stretch nothing is read back from the device, so a GPU
never waits for the host; what the host must know (clip factors, whether the loss is still finite)
is read once at the end of a stretch.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NoReturn

import torch

from unlearning.base import checks
from unlearning.base.pieces import Pieces
from unlearning.base.progress import track
from unlearning.training.schedule import Schedule

#: Steps of a stretch.
STRETCH = 16

# (weights [d], number of the step) -> (gradient [d] with penalty, mean loss), or None where the
# step is left out
StepGradient = Callable[[torch.Tensor, int], tuple[torch.Tensor, torch.Tensor] | None]


@dataclass(frozen=True, eq=False)
class Stretch:
    """Some consecutive steps of a run.

    Attributes:
        first: number of its first step.
        weights: before each of its s steps, shape ``[s, d]``.
        step_sizes: eta_t of each.
        clip_factors: ``min(1, C / |g_t|)`` of each.
    """

    first: int
    weights: torch.Tensor
    step_sizes: list[float]
    clip_factors: list[float]

    def __len__(self) -> int:
        """The number of its steps, s."""
        return len(self.step_sizes)


@dataclass(eq=False)
class Position:
    """Where a descent stands: weights before step ``t``, and the clip factors until there."""

    weights: torch.Tensor
    t: int = 0
    clip_factors: Sequence[float] = ()


def stretches(first: int, total: int) -> Iterator[range]:
    """The step numbers of each stretch; they begin at multiples of ``STRETCH``, wherever from."""
    while first < total:
        end = min(total, (first // STRETCH + 1) * STRETCH)
        yield range(first, end)
        first = end


def descend(
    start: Position, total: int, schedule: Schedule, gradient: StepGradient, description: str
) -> Iterator[tuple[Stretch, Position]]:
    """Make the steps ``start.t .. total - 1``, and tell of each stretch when it has been made.

    One step is ``w <- w - eta_t * c_t * g_t`` with ``c_t = min(1, clip / |g_t|)``.

    Args:
        start: where to begin.
        total: the number of steps of the whole run.
        schedule: step sizes and clip.
        gradient: of a step.
        description: for the progress bar; empty for none.

    Yields:
        Each stretch, and the position after it.

    Raises:
        ValueError: if a loss or gradient is not finite; the message names the step.
    """
    step_sizes = schedule.step_sizes(total)
    w, factors = start.weights.detach().clone(), list(start.clip_factors)
    parts = list(stretches(start.t, total))
    for steps in track(parts, description, len(parts)) if description else parts:
        walk = _Walk(w, steps, schedule)
        for t in steps:
            walk.step(gradient(walk.w, t), step_sizes[t])
        w = walk.w
        found = walk.clip_factors(total)
        factors += found
        etas = step_sizes[steps.start : steps.stop]
        yield Stretch(steps.start, walk.path, etas, found), Position(w, steps.stop, tuple(factors))


class _Walk:
    """One stretch while it is being made, all of it on the device."""

    def __init__(self, w: torch.Tensor, steps: range, schedule: Schedule):
        self.w, self.steps, self.schedule = w, steps, schedule
        self.path = torch.empty(len(steps), len(w), dtype=w.dtype, device=w.device)
        self.seen = torch.zeros(len(steps), 2, dtype=w.dtype, device=w.device)  # loss, |g|
        self.count = 0

    def step(self, found: tuple[torch.Tensor, torch.Tensor] | None, eta: float) -> None:
        self.path[self.count] = self.w
        if found is not None:
            gradient, loss = found
            norm = torch.linalg.vector_norm(gradient)
            self.seen[self.count, 0], self.seen[self.count, 1] = loss, norm
            if self.schedule.clip is not None:
                eta = eta * (self.schedule.clip / norm).clamp(max=1.0)
            self.w = self.w - eta * gradient
        self.count += 1

    def clip_factors(self, total: int) -> list[float]:
        """Read back what was seen: the clip factors, or the step at which all became infinite."""
        *seen, (finite, _) = torch.cat([self.seen, self.w.isfinite().all().expand(1, 2)]).tolist()
        for t, (loss, norm) in zip(self.steps, seen, strict=True):
            if not (math.isfinite(loss) and math.isfinite(norm)):
                self._refuse(f"loss {loss} and gradient norm {norm} at step {t} of {total}")
        if not finite:
            self._refuse(f"weights that are not finite after step {self.steps[-1]} of {total}")
        clip = self.schedule.clip
        return [1.0 if clip is None or norm <= clip else clip / norm for _, norm in seen]

    def _refuse(self, given: str) -> NoReturn:
        eta = f" (eta_0 = {self.schedule.step_size:g})"
        checks.fail("step_size", "steps along which the loss stays finite", given + eta)


def on_device(batches: Sequence[torch.Tensor], device: torch.device) -> Pieces:
    """The batches' sample numbers on the device, moved all at once: no step waits for a copy."""
    return Pieces((batch.tolist() for batch in batches), device)
