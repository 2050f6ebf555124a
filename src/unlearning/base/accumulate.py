"""Sums whose result does not depend on order or grouping, bit for bit.

Floating-point addition is not associative, so "delete 3, then 14" and "delete both" would differ in
the last bits. Here every summand is first rounded to a multiple of 2^-40. Multiples of 2^-40 below
2^12 in magnitude have at most 52 binary digits, so float64 adds them without any rounding, and an
exact sum cannot depend on its order.
"""

import torch

from unlearning.base.checks import fail

GRID = 2.0**-40
LIMIT = 2.0**12


def to_grid(vectors: torch.Tensor) -> torch.Tensor:
    """Round to the nearest multiples of 2^-40, as float64 (error at most 2^-41 per entry)."""
    return torch.round(vectors.to(torch.float64) / GRID) * GRID


class ExactSum:
    """A running sum of vectors, exact on the grid of multiples of 2^-40.

    The sum of magnitudes is kept too: as long as it stays below 2^12 in every coordinate, no
    partial sum in any order can leave the range in which float64 is exact.

    Args:
        start: first summand, shape ``[d]``, any float dtype.
    """

    def __init__(self, start: torch.Tensor):
        self._dtype = start.dtype
        self._total = torch.zeros_like(start, dtype=torch.float64)
        self._magnitude = torch.zeros_like(self._total)
        self.add(start[None])

    def add(self, vectors: torch.Tensor) -> "ExactSum":
        """Add every row of ``vectors`` (shape ``[K, d]``); return self.

        Raises:
            ValueError: if the magnitudes would reach 2^12 in some coordinate, or are not finite, or
                the shape is not ``[K, d]``. The sum is then unchanged.
        """
        if vectors.ndim != 2 or vectors.shape[1] != self._total.shape[0]:
            fail("vectors", f"shape [K, {self._total.shape[0]}]", list(vectors.shape))
        rounded = to_grid(vectors)
        magnitude = self._magnitude + rounded.abs().sum(0)
        if not bool((magnitude < LIMIT).all()):  # a NaN fails this comparison too
            fail("vectors", f"a sum of magnitudes below {LIMIT:g}", f"{float(magnitude.max()):g}")
        self._magnitude = magnitude
        self._total += rounded.sum(0)
        return self

    @property
    def exact(self) -> torch.Tensor:
        """The sum in float64, shape ``[d]``."""
        return self._total.clone()

    @property
    def value(self) -> torch.Tensor:
        """The sum in the dtype of the first summand, shape ``[d]``."""
        return self._total.to(self._dtype)
