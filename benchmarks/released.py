"""The released code's way to take a step: one call of automatic differentiation per vector.

Written anew from what that code does. It is given every advantage that keeps its way: the graph of
the batch gradient is built once a step and shared by all vectors.
"""

from collections.abc import Iterator

import torch

from unlearning.problem.objective import Objective

#: Its names in a comparison: on all threads, and on one. What counts is the faster of both.
NAMES = ("one call per vector", "the same, one thread")


def hessian_products(objective: Objective, w, inputs, labels, vectors) -> Iterator[torch.Tensor]:
    """H v for each of ``vectors [K, d]``, without penalty, one double backward pass each."""
    point = w.detach().requires_grad_(True)
    loss = objective.mean_loss(point, inputs, labels)
    (gradient,) = torch.autograd.grad(loss, point, create_graph=True)
    for v in vectors:
        yield torch.autograd.grad(gradient, point, grad_outputs=v, retain_graph=True)[0]


def step(objective: Objective, w, inputs, labels, eta: float, vectors, fresh) -> None:
    """One step of the recursion under R2, in place.

    Args:
        objective: with its penalty.
        w: the weights before the step.
        inputs: of the batch.
        labels: of the batch.
        eta: step size.
        vectors: shape ``[K, d]``.
        fresh: the vector that belongs to each sample of the batch.
    """
    products = hessian_products(objective, w, inputs, labels, vectors)
    for v, product in zip(vectors, products, strict=True):
        v.sub_(product.add_(v, alpha=objective.l2), alpha=eta)
    for row, x, y in zip(fresh, inputs, labels, strict=True):
        gradient, _ = objective.gradient_and_loss(w, x[None], y[None])
        vectors[row].add_(gradient.add_(w, alpha=objective.l2), alpha=eta / len(inputs))
