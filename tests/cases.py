"""Small problems in float64 to check the mathematics on, and the oracles to check it against."""

from dataclasses import dataclass, replace

import torch
from torch import nn
from torch.func import jvp

import unlearning as ul

SCHEDULE = ul.Schedule(
    step_size=0.3, decay=0.99, batch_size=5, epochs=2, clip=None, seed=3, reshuffle=True
)
N = 13  # with batches of 5, every epoch ends with a ragged batch of 3


@dataclass(frozen=True)
class Case:
    """A model on random images, and a clip that is active in some steps but not in all."""

    name: str
    model: nn.Module
    data: ul.Data
    clip: float

    def run(self, *, clip: bool, l2: float = 0.1, **changes) -> ul.Run:
        """Train on the case; ``changes`` go to the schedule."""
        schedule = replace(SCHEDULE, clip=self.clip if clip else None, **changes)
        return ul.train(ul.Objective(self.model, l2=l2), self.data.train, schedule)


def random_data(n: int = N, shape=(1, 4, 4), classes: int = 3, seed: int = 0) -> ul.Data:
    """Random images with random labels, as float64."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(2 * n, *shape, generator=generator, dtype=torch.float64)
    labels = torch.arange(2 * n) % classes
    return ul.Data("random", ul.Samples(inputs[:n], labels[:n]), ul.Samples(inputs[n:], labels[n:]))


def cases() -> list[Case]:
    """Logistic regression, a smooth MLP and a small smooth CNN."""
    data = random_data()
    small_cnn = ul.models.smooth_cnn(data, channels=(2, 3), kernel=3, padding=1, hidden=4)
    return [
        Case("logistic", ul.models.logistic(data), data, clip=1.3),
        Case("mlp", ul.models.mlp(data, hidden=5, activation="softplus"), data, clip=0.75),
        Case("smooth_cnn", small_cnn, data, clip=0.45),
    ]


def unrolled(run: ul.Run, share: torch.Tensor, convention: str) -> torch.Tensor:
    """The end point of the whole run when sample i keeps the share ``share[i]`` of its weight.

    Written from the definition of each convention with automatic differentiation only, so that it
    shares nothing with the library's recursion, training loop or retraining.
    """
    schedule, n = run.schedule, len(run.samples)
    w = run.initial_weights
    for t, batch in enumerate(run.batches):

        def objective(w, batch=batch):
            inputs, labels = run.samples.inputs[batch], run.samples.labels[batch]
            outputs = run.objective.outputs(w, inputs)
            losses = nn.functional.cross_entropy(outputs, labels, reduction="none")
            kept, penalty = share[batch], run.objective.l2 / 2 * (w @ w)
            if convention == "R1":
                return (kept * losses).sum() / kept.sum() + penalty
            if convention == "R2":
                return (kept * (losses + penalty)).sum() / len(batch)
            return (kept * losses).sum() / len(batch) + penalty

        gradient = torch.func.grad(objective)(w)
        if schedule.clip is not None and run.clip_factors[t] < 1:
            gradient = gradient * (schedule.clip / gradient.norm())
        w = w - schedule.step_size * schedule.decay**t * gradient
    assert len(share) == n
    return w


def derivative(run: ul.Run, members: list[int], convention: str) -> torch.Tensor:
    """Minus the derivative of the run with respect to the weight of the samples ``members``."""
    whole = torch.ones(len(run.samples), dtype=torch.float64)
    direction = torch.zeros_like(whole)
    direction[members] = 1.0
    return -jvp(lambda share: unrolled(run, share, convention), (whole,), (direction,))[1]
