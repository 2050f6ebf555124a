"""How far retraining can lie from the learned and from the unlearned model: two recursions.

For convex losses, R2, an idle clip, and every forget set that the constants of the steps cover,
with ``D_t >= |retrained - learned|`` and ``E_t >= |retrained - unlearned|`` before step t::

    D' = max(|1 - eta least|, |1 - eta largest|) D + eta source
    E' = contraction E + eta ((lipschitz / 2) D^2 + forgotten D)                   D_0 = E_0 = 0

Chapter 5 of the book proves both. Arithmetic is taken to be exact: train in float64.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from unlearning.base import checks


@dataclass(frozen=True)
class StepConstants:
    """What is known of one step, for every forget set that is meant.

    With B the batch, K the samples of it that stay, U those that go, f a sample's loss with its
    penalty, and all sums divided by ``|B|``:

    Attributes:
        step_size: eta.
        least: lower bound on the curvature of the sum of f over K, anywhere.
        largest: upper bound on the same.
        contraction: ``|I - eta H|_2`` or more, H the Hessian of the batch objective at w_t.
        lipschitz: constant of the Hessian of the sum of f over K.
        source: bound on the norm of the sum of grad f over U at w_t.
        forgotten: bound on the norm of the sum of the Hessians of f over U at w_t.
        gradient: bound on the norm of the batch gradient at w_t, for the clip alone.
    """

    step_size: float
    least: float
    largest: float
    contraction: float
    lipschitz: float
    source: float
    forgotten: float
    gradient: float

    @property
    def growth(self) -> float:
        """The most by which the step without U stretches the distance of two points."""
        return max(abs(1 - self.step_size * end) for end in (self.least, self.largest))


@dataclass(frozen=True)
class Bound:
    """Bounds before each step and after the last.

    Attributes:
        change: on the distance of the retrained from the learned weights, ``T + 1`` numbers.
        error: on the distance of the retrained from the unlearned weights, ``T + 1`` numbers.
    """

    change: list[float]
    error: list[float]


def walk(steps: Iterable[StepConstants], change: Sequence[float] | None = None) -> Bound:
    """Both recursions along a run; numbers too large for a float become infinite.

    Args:
        steps: the constants of each step.
        change: the distances of the retrained from the learned weights before each step and after
            the last, or bounds on them, where they are known; else the first recursion's.

    Raises:
        ValueError: if ``change`` has another length than ``T + 1``.
    """
    steps = list(steps)
    if change is not None and len(change) != len(steps) + 1:
        checks.fail("change", f"{len(steps) + 1} numbers", len(change))
    changes, errors = [0.0], [0.0]
    for t, step in enumerate(steps):
        moved = changes[t] if change is None else change[t]
        missed = step.lipschitz / 2 * moved * moved + step.forgotten * moved
        errors.append(step.contraction * errors[t] + step.step_size * missed)
        changes.append(step.growth * changes[t] + step.step_size * step.source)
    return Bound(changes if change is None else list(change), errors)


def certified(steps: Sequence[StepConstants], clip: float | None) -> Bound:
    """``walk``, refused where it is no bound.

    Args:
        steps: the constants of each step.
        clip: threshold of the batch gradient; it must stay idle in every retraining, too.

    Raises:
        ValueError: if a number is not finite, or a retraining's gradient may reach the clip.
    """
    bound = walk(steps)
    for t, (change, error) in enumerate(zip(bound.change, bound.error, strict=True)):
        if not (math.isfinite(change) and math.isfinite(error)):
            checks.fail("run", "steps along which the bound stays finite",
                        f"infinity before step {t} of {len(steps)}: the step size is too large "
                        "for the curvature")  # fmt: skip
    for t, step in enumerate(steps if clip is not None else ()):
        reach = step.gradient + step.source + step.largest * bound.change[t]
        if reach > clip:
            given = f"gradients of norm up to {reach:.3g} in step {t}, clip = {clip:g}"
            checks.fail("run", "a clip that is idle in every retraining", given)
    return bound
