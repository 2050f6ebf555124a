"""Relearning: training on, to see how fast a forgotten behaviour comes back.

The attacker goes on with SGD from the unlearned weights, on the samples that were wrong, or without
bad intent on others. If the behaviour returns sooner than in the retrained model, which has never
had it, something of it was still there.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from unlearning.base import checks
from unlearning.problem.objective import Objective
from unlearning.problem.samples import Samples
from unlearning.training.schedule import Schedule
from unlearning.training.trajectory import train


@dataclass(frozen=True)
class Curve:
    """A behaviour along training.

    Attributes:
        steps: numbers of steps after which it was measured, rising from 0.
        values: what was measured there.
    """

    steps: list[int]
    values: list[float]


def relearn(
    objective: Objective,
    weights: torch.Tensor,
    samples: Samples,
    schedule: Schedule,
    measure: Callable[[torch.Tensor], float],
    *,
    every: int = 1,
) -> Curve:
    """Train on from some weights and measure a behaviour along the way.

    Args:
        objective: loss, model and penalty.
        weights: where the attacker begins, shape ``[d]``.
        samples: what the attacker trains on.
        schedule: of the attack; the same for all models that are compared.
        measure: the behaviour of a model with weights ``[d]``, such as its success rate.
        every: steps between two measurements; the last step is always measured.

    Raises:
        ValueError: for an ``every`` below 1, or as ``train`` does.
    """
    checks.integer("every", every, least=1)
    run = train(objective, samples, schedule, initial_weights=weights)
    steps = sorted({*range(0, len(run), every), len(run)})
    return Curve(steps, [float(measure(run.weights_at(t))) for t in steps])


def area_between(curve: Curve, reference: Curve) -> float:
    """Mean of ``curve - reference`` over the steps, by trapezoids: above 0 if it comes back sooner.

    Args:
        curve: of the unlearned model.
        reference: of the retrained model, measured at the same steps.

    Raises:
        ValueError: for curves of other steps, or of a single one.
    """
    if curve.steps != reference.steps or len(curve.steps) < 2:
        checks.fail("reference", "the steps of curve, two or more", reference.steps)
    gap = np.subtract(curve.values, reference.values)
    return float(np.trapezoid(gap, curve.steps) / (curve.steps[-1] - curve.steps[0]))


def relapse(curve: Curve, level: float) -> int | None:
    """The first measured step at which the behaviour has reached ``level``; None if it never has.

    Raises:
        ValueError: for a level that is not finite.
    """
    level = checks.finite("level", level)
    return next(
        (t for t, value in zip(curve.steps, curve.values, strict=True) if value >= level), None
    )
