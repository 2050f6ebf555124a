"""Sharpness-aware training: descend along the gradient at a point that is worse than here.

SAM (Foret, Kleiner, Mobahi and Neyshabur 2021) minimises the worst value within a distance rho.
With F the objective of a batch, its PENALTY INCLUDED in both gradients::

    eps = rho * grad F(w) / |grad F(w)|          to first order the worst direction
    w  <- w - eta_t * c_t * g                    g = grad F(w + eps),  c_t = min(1, clip / |g|)
"""

from collections import deque
from dataclasses import dataclass

import torch

from unlearning.base import checks
from unlearning.base.precision import in_full_float32
from unlearning.problem.objective import Objective
from unlearning.problem.samples import Samples
from unlearning.training.descent import Position, StepGradient, descend, on_device
from unlearning.training.schedule import Schedule
from unlearning.training.trajectory import starting_weights


@dataclass(frozen=True, eq=False)
class SharpnessAware:
    """What sharpness-aware training has learned, and from what.

    It is no ``Run``: a displacement does not follow the recursion of plain steps, so nothing is
    recollected from it.

    Attributes:
        objective: whose batch objectives were made flat and small.
        samples: the n training samples.
        schedule: step sizes, batch order, clip.
        rho: radius of the ascent.
        initial_weights: before the first step, shape ``[d]``.
        weights: after the last step, shape ``[d]``.
        clip_factors: ``min(1, C / |g|)`` of each step.
    """

    objective: Objective
    samples: Samples
    schedule: Schedule
    rho: float
    initial_weights: torch.Tensor
    weights: torch.Tensor
    clip_factors: list[float]


@in_full_float32
def train_sharpness_aware(
    objective: Objective,
    samples: Samples,
    schedule: Schedule,
    *,
    rho: float,
    initial_weights: torch.Tensor | None = None,
) -> SharpnessAware:
    """Train as ``train`` does, with the gradient of each step taken at the worst point near by.

    A step takes two gradients. With ``rho = 0`` the weights are those of ``train``, to the bit.

    Args:
        objective: loss, model and penalty.
        samples: the training samples.
        schedule: step sizes, batches, clip; the clip acts on the gradient that is descended along.
        rho: radius of the ascent, at least 0; 0.05 in the paper's experiments.
        initial_weights: where to start, shape ``[d]``; the model's own weights by default.

    Raises:
        ValueError: if objective, samples and schedule do not fit together, for a ``rho`` out of its
            range, or if the loss stops being finite (the message names the step).
    """
    rho = checks.finite("rho", rho, least=0.0)
    start = starting_weights(objective, samples, initial_weights).clone()
    total = len(schedule.batches(len(samples)))
    gradient = _worst_gradient(objective, samples, schedule, rho)
    walk = descend(Position(start), total, schedule, gradient, "train sharpness-aware")
    ((_, end),) = deque(walk, maxlen=1)
    factors = list(end.clip_factors)
    return SharpnessAware(objective, samples, schedule, rho, start, end.weights, factors)


def _worst_gradient(objective, samples, schedule: Schedule, rho: float) -> StepGradient:
    batches = on_device(schedule.batches(len(samples)), samples.inputs.device)

    def at(w, batch):
        inputs, labels = samples.inputs[batch], samples.labels[batch]
        gradient, loss = objective.gradient_and_loss(w, inputs, labels)
        return gradient + objective.l2 * w, loss

    def gradient(w, t):
        here, loss = at(w, batches[t])
        norm = torch.linalg.vector_norm(here)
        # At a stationary point there is no worst direction, and no step: 0, not 0/0.
        ascent = rho * here / norm.clamp(min=torch.finfo(w.dtype).tiny)
        return at(w + ascent, batches[t])[0], loss

    return gradient
