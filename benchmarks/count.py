"""Operations and bytes, counted: a yardstick from the products that every kernel here makes.

Counted are the operations of the R-operator's equations with all that vectors share left out, and
every vector read and written once. A multiplication with the addition after it are two operations.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import torch
from torch import nn

from unlearning.curvature.kernels.chain import chain
from unlearning.problem.objective import Objective


@dataclass(frozen=True)
class Work:
    """Operations, and bytes that pass between memory and processor."""

    flops: int
    bytes: int

    def __mul__(self, times: int) -> "Work":
        """The same so many times."""
        return Work(self.flops * times, self.bytes * times)

    def limit_ms(self, ceilings: Mapping[str, float]) -> float:
        """The longer of both, at the rates of a matrix product and of a copy."""
        return max(self.flops / ceilings["gflops"], self.bytes / ceilings["copy_gbs"]) / 1e6

    def beside(self, time: Mapping, ceilings: Mapping[str, float]) -> dict:
        """A time with the counts, the limit, and how many times the limit it is."""
        limit = self.limit_ms(ceilings)
        return {**time, **asdict(self), "limit_ms": limit,
                "over_limit": time["median_ms"] / limit}  # fmt: skip


def softmax_step(n: int, d: int, batch: float, size: int = 4, together: int = 1) -> Work:
    """One step of the recursion for softmax regression, for n vectors.

    Two products of all vectors with the batch: their logits, and the update. Each vector is read
    for the one, and read and written for the other.

    Args:
        n: vectors.
        d: weights, biases included.
        batch: samples of the step, on average.
        size: bytes of a number.
        together: steps that share one pass over the vectors.
    """
    return Work(round(4 * n * d * batch), 3 * n * d * size // together)


def hessian_products(objective: Objective, batch: torch.Tensor, vectors: int) -> Work:
    """Products of one batch's Hessian with some vectors, for a chain of layers.

    With ``z = W a + b`` and a tangent ``(V, v)`` of ``(W, b)``, a layer costs six products of its
    own size: ``W Ra``, ``V a``; ``W' Rz'``, ``V' z'``; ``Rz' a'``, ``z' Ra'``. The first layer with
    weights has no ``Ra`` and passes nothing back: two.

    Args:
        objective: whose Hessian.
        batch: inputs ``[b, ...]``.
        vectors: how many.
    """
    products = 0
    for k, size in enumerate(multiplications(objective, batch)):
        products += size * (2 if k == 0 else 6)
    d = objective.dimension
    size = objective.initial_weights.element_size()
    return Work(2 * products * vectors, 2 * d * size * vectors)


def multiplications(objective: Objective, batch: torch.Tensor) -> list[int]:
    """Multiplications of one forward pass, for each layer with weights."""
    found, values = [], batch
    with torch.no_grad():
        for _, layer in chain(objective):
            values = layer(values)
            if isinstance(layer, nn.Linear):
                found.append(values.numel() * layer.in_features)
            if isinstance(layer, nn.Conv2d):
                found.append(values.numel() * layer.weight[0].numel())
    return found


def kept(n: int, d: int, steps: int) -> dict[str, int]:
    """Bytes that each way to delete keeps between requests, from the shapes of what is kept.

    Args:
        n: training samples.
        d: weights.
        steps: of the run, T.
    """
    shapes = {
        "approximators": ((n, d), torch.float32),
        "approximators, bfloat16": ((n, d), torch.bfloat16),
        "Hessian": ((d, d), torch.float32),
        "Hessian, factor": ((d * (d + 1) // 2,), torch.float32),
        "weights of every step": ((steps + 1, d), torch.float32),
    }
    # On the device "meta" a tensor has shape and size, and no memory.
    return {
        name: torch.empty(shape, dtype=dtype, device="meta").nbytes
        for name, (shape, dtype) in shapes.items()
    }


def rows_that_match(d: int, steps: int) -> dict[str, float]:
    """The n below which n float32 approximators are smaller than what others keep."""
    return {
        "Hessian": float(d),
        "Hessian, factor": (d + 1) / 2,
        "weights of every step": float(steps + 1),
    }
