"""Small convex problems, and their learned, retrained and unlearned paths by autodiff alone.

Nothing here uses the library's training, retraining, recursion, curvature or constants.
"""

import random
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import nn
from torch.func import grad, hessian

import unlearning as ul


@dataclass(frozen=True, eq=False)
class Problem:
    """A run of one linear layer, and a forget set."""

    run: ul.Run
    forget: list[int]
    bias: bool

    @property
    def m(self):
        return len(self.forget)

    def total(self, w, rows):
        """Sum of f over some samples, f a sample's loss with its penalty."""
        some = self.run.samples[rows]
        outputs = self.run.objective.outputs(w, some.inputs)
        if self.run.objective.loss_name == "squared":
            loss = (outputs.flatten() - some.labels).square().sum() / 2
        else:
            loss = nn.functional.cross_entropy(outputs, some.labels, reduction="sum")
        return loss + len(rows) * self.run.objective.l2 / 2 * (w @ w)

    def gradient(self, w, rows):
        """Sum of grad f over some samples."""
        return grad(self.total)(w, rows) if rows else torch.zeros_like(w)

    def hessian(self, w, rows):
        """Sum of the Hessians of f over some samples, dense."""
        return hessian(self.total)(w, rows) if rows else torch.zeros(len(w), len(w)).to(w)

    @cached_property
    def norms(self):
        """Of each sample's input, with the constant 1 of a bias."""
        squares = self.run.samples.inputs.square().sum(1)
        return (squares + float(self.bias)).sqrt()

    def batches(self):
        """Step size, batch, kept and forgotten part of each step."""
        schedule = self.run.schedule
        for t, batch in enumerate(batch.tolist() for batch in self.run.batches):
            gone = [i for i in batch if i in self.forget]
            kept = [i for i in batch if i not in self.forget]
            yield schedule.step_size * schedule.decay**t, batch, kept, gone

    @cached_property
    def paths(self):
        """w_t, v_t (retrained, R2) and a_t before each step and after the last: ``[T + 1, d]``."""
        w = v = self.run.initial_weights
        a = torch.zeros_like(w)
        found = [(w, v, a)]
        for eta, batch, kept, gone in self.batches():
            b = len(batch)
            h, g = self.hessian(w, batch) / b, self.gradient(w, gone) / b
            a = a - eta * h @ a + eta * g
            v = v - eta / b * self.gradient(v, kept)
            w = w - eta / b * self.gradient(w, batch)
            found.append((w, v, a))
        return tuple(torch.stack(part) for part in zip(*found, strict=True))

    @property
    def change(self):
        """``|retrained - learned|`` along the run."""
        w, v, _ = self.paths
        return (v - w).norm(dim=1)

    @property
    def error(self):
        """``|retrained - unlearned|`` along the run."""
        w, v, a = self.paths
        return (v - w - a).norm(dim=1)


def draw(seed: int, **fixed) -> Problem:
    """A random problem; ``fixed`` values go before those drawn."""
    chance = random.Random(seed)
    drawn = {
        "loss": chance.choice(["cross_entropy", "cross_entropy", "squared"]),
        "n": chance.randint(6, 12),
        "features": chance.randint(1, 4),
        "classes": chance.randint(2, 4),
        "bias": chance.random() < 0.5,
        "l2": chance.choice([0.0, 0.05, 0.5]),
        "eta": chance.choice([0.02, 0.1, 0.4, 1.0]),
        "decay": chance.choice([1.0, 0.95]),
        "epochs": chance.randint(1, 3),
        "batch": chance.randint(2, 6),
        "m": chance.randint(1, 3),
        "scale": chance.choice([0.3, 1.0]),
        "clip": None,
    } | fixed
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(drawn["n"], drawn["features"], generator=generator, dtype=torch.float64)
    squared = drawn["loss"] == "squared"
    if squared:
        labels = torch.randn(drawn["n"], generator=generator, dtype=torch.float64)
    else:
        labels = torch.randint(drawn["classes"], (drawn["n"],), generator=generator)
    model = nn.Linear(drawn["features"], 1 if squared else drawn["classes"], bias=drawn["bias"])
    objective = ul.Objective(model.double(), l2=drawn["l2"], loss=drawn["loss"])
    start = torch.randn(objective.dimension, generator=generator, dtype=torch.float64)
    samples = ul.Samples(drawn["scale"] * inputs, labels)
    schedule = ul.Schedule(drawn["eta"], drawn["decay"], drawn["batch"], drawn["epochs"],
                           clip=drawn["clip"], seed=seed)  # fmt: skip
    run = ul.train(objective, samples, schedule, initial_weights=start)
    return Problem(run, chance.sample(range(drawn["n"]), drawn["m"]), drawn["bias"])


def draw_from_own_weights(seed: int, **fixed) -> Problem:
    """The same for softmax regression, from the model's own weights."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        drawn = draw(seed, **{"loss": "cross_entropy"} | fixed)
    run = ul.train(drawn.run.objective, drawn.run.samples, drawn.run.schedule)
    return replace(drawn, run=run)
