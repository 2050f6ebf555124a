"""Changes of features and labels, and what automatic differentiation says of them."""

import torch

import unlearning as ul
from tests.baselines.points import At, shares

ROWS = [2, 12, 7]
SOME = [40, 3, 17, 4]
ALL = shares(13)


def new_labels(at):
    """Each of the rows belongs to the next class."""
    rows = at.samples[ROWS]
    return ul.Samples(rows.inputs, (rows.labels + 1) % 3)


def new_features(at):
    """The first half of the features is erased."""
    rows = at.samples[ROWS]
    inputs = rows.inputs.flatten(1).clone()
    inputs[:, : inputs.shape[1] // 2] = 0.0
    return ul.Samples(inputs.reshape(rows.inputs.shape), rows.labels)


def new_both(at):
    return ul.Samples(2.0 * new_features(at).inputs, new_labels(at).labels)


CHANGES = {"labels": new_labels, "features": new_features, "both": new_both}


def replaced(at, corrected):
    """The same weights with the corrected data, row by row."""
    inputs, labels = list(at.samples.inputs), list(at.samples.labels)
    for place, x, y in zip(ROWS, corrected.inputs, corrected.labels, strict=True):
        inputs[place], labels[place] = x, y
    return At(at.objective, ul.Samples(torch.stack(inputs), torch.stack(labels)), at.weights)


def gradient_change(at, corrected):
    """G: the gradient of the whole objective on the corrected data minus that on the original."""
    return replaced(at, corrected).gradient(ALL, "R2") - at.gradient(ALL, "R2")


def oracle(at, corrected, places, damping, hessian_of="corrected"):
    """The second-order weights on some places, by a dense autodiff Hessian."""
    source = replaced(at, corrected) if hessian_of == "corrected" else at
    block = source.hessian(ALL, "R2", damping=damping)[places][:, places]
    weights = at.weights.clone()
    weights[places] -= torch.linalg.solve(block, gradient_change(at, corrected)[places])
    return weights


def corrected_ridge(at, seed=5):
    """New features and new targets of the rows of a regression."""
    generator = torch.Generator().manual_seed(seed)
    rows = at.samples[ROWS]
    noise = torch.randn(rows.inputs.shape, generator=generator, dtype=torch.float64)
    return ul.Samples(rows.inputs + noise, -rows.labels)
