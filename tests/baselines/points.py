"""Weights with what they belong to, and what automatic differentiation says of them."""

from dataclasses import dataclass

import pytest
import torch
from torch import nn
from torch.func import grad, hessian

import unlearning as ul
from tests.cases import cases
from unlearning.baselines.newton import infinitesimal_jackknife, newton_step

CASES = cases()
GONE = [2, 7, 12]
METHODS = (newton_step, infinitesimal_jackknife)
both = pytest.mark.parametrize("method", METHODS, ids=lambda f: f.__name__)
every_convention = pytest.mark.parametrize("convention", ul.CONVENTIONS)


@dataclass
class At:
    """Some weights, with what they belong to: all that the updates ask of a run."""

    objective: ul.Objective
    samples: ul.Samples
    weights: torch.Tensor

    def value(self, w, share, convention, l2=None):
        """The objective at ``w`` when sample i keeps the share ``share[i]`` of its weight."""
        outputs = self.objective.outputs(w, self.samples.inputs)
        labels = self.samples.labels
        if self.objective.loss_name == "squared":
            losses = (outputs[:, 0] - labels) ** 2 / 2
        else:
            losses = nn.functional.cross_entropy(outputs, labels, reduction="none")
        penalty = (self.objective.l2 if l2 is None else l2) / 2 * (w @ w)
        if convention == "R1":
            return (share * losses).sum() / share.sum() + penalty
        if convention == "R2":
            return (share * (losses + penalty)).sum() / len(share)
        return (share * losses).sum() / len(share) + penalty

    def gradient(self, share, convention, **more):
        return grad(lambda w: self.value(w, share, convention, **more))(self.weights)

    def hessian(self, share, convention, damping=0.0, **more):
        found = hessian(lambda w: self.value(w, share, convention, **more))(self.weights)
        return found + damping * torch.eye(len(found), dtype=found.dtype)


def shares(n, forget=()):
    share = torch.ones(n, dtype=torch.float64)
    share[list(forget)] = 0
    return share


def some_weights(case, l2=0.7, scale=0.3):
    """Weights at which nothing is stationary."""
    objective = ul.Objective(case.model, l2=l2)
    generator = torch.Generator().manual_seed(3)
    w = torch.randn(objective.dimension, generator=generator, dtype=torch.float64)
    return At(objective, case.data.train, scale * w)


def ridge(n=13, features=4, l2=0.2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(n, features, generator=generator, dtype=torch.float64)
    targets = torch.randn(n, generator=generator, dtype=torch.float64)
    objective = ul.Objective(nn.Linear(features, 1).double(), l2=l2, loss="squared")
    return objective, ul.Samples(inputs, targets)


def ridge_minimiser(samples, l2, share, convention):
    """From the normal equations of ``At.value``; the weights end with the bias."""
    ones = torch.ones(len(samples), 1, dtype=torch.float64)
    x = torch.cat([samples.inputs, ones], 1)
    scale = share.sum() if convention == "R1" else len(share)
    penalty = share.sum() / len(share) * l2 if convention == "R2" else l2
    left = x.T @ (share[:, None] * x) / scale + penalty * torch.eye(x.shape[1], dtype=x.dtype)
    return torch.linalg.solve(left, x.T @ (share * samples.labels) / scale)


def learned_ridge(**size):
    """Linear regression at its exact minimiser."""
    objective, samples = ridge(**size)
    whole = shares(len(samples))
    return At(objective, samples, ridge_minimiser(samples, objective.l2, whole, "R2"))


def removed(at, convention, l2=None):
    """S: the forget set's gradients, each with its penalty but for R3."""
    penalty = (at.objective.l2 if l2 is None else l2) if convention != "R3" else 0.0
    only = shares(13) - shares(13, GONE)
    return len(GONE) * at.gradient(only, "R1", l2=penalty)
