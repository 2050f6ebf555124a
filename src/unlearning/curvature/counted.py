"""Hessian-vector products, counted where they are taken."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from unlearning.curvature import products


@dataclass
class Tally:
    """What has been asked of prepared points.

    Attributes:
        products: vectors that a Hessian was multiplied with.
        samples: the same, each times the samples of its Hessian.
        points: how many points were prepared, one for each batch.
    """

    products: int = 0
    samples: int = 0
    points: int = 0


@contextmanager
def counted_products() -> Iterator[Tally]:
    """Count the products of everything that asks ``products.at`` for them inside.

    Steps of softmax regression that are made together (``hfocu/fused``) take no products by
    themselves; ask for another kernel, whose vectors are the same, to see them counted.

    Yields:
        The tally, which grows as products are taken.
    """
    tally, prepare = Tally(), products.at

    def at(objective, w, inputs, labels, **options):
        tally.points += 1
        point = prepare(objective, w, inputs, labels, **options)
        return _Counted(point, tally, len(inputs))

    # There is one door to products, and it is a function: nothing else needs to know of a tally.
    products.at = at
    try:
        yield tally
    finally:
        products.at = prepare


class _Counted:
    """Products at a point that write down what they are asked for."""

    def __init__(self, point: products.Products, tally: Tally, size: int):
        self._point, self._tally, self._size = point, tally, size

    def __getattr__(self, name: str):
        return getattr(self._point, name)

    def multiply(self, vectors: torch.Tensor, **options) -> torch.Tensor:
        """``H vectors``, counted."""
        self._tally.products += len(vectors)
        self._tally.samples += len(vectors) * self._size
        return self._point.multiply(vectors, **options)
