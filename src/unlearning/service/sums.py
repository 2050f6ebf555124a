"""Exact sums without PyTorch: the rounding and the range of ``base/accumulate``, in NumPy.

A summand is rounded to a multiple of 2^-40, and the magnitudes of all summands stay below 2^12 in
every coordinate. Then float64 adds without rounding, and a sum has the same bits in any order and
grouping (the argument stands in ``base/accumulate``, and tests hold the two to the same bits).
"""

from dataclasses import dataclass

import numpy as np

from unlearning.base.checks import fail

GRID = 2.0**-40
LIMIT = 2.0**12


def to_grid(values: np.ndarray) -> np.ndarray:
    """Round to the nearest multiples of 2^-40, ties to even, as float64."""
    return np.round(values.astype(np.float64) / GRID) * GRID


@dataclass(frozen=True, eq=False)
class Sum:
    """A sum of vectors on the grid of multiples of 2^-40.

    Attributes:
        total: the sum, float64 ``[d]``.
        magnitude: the sum of the magnitudes of the summands, float64 ``[d]``.
    """

    total: np.ndarray
    magnitude: np.ndarray

    @classmethod
    def of(cls, vector: np.ndarray) -> "Sum":
        """The sum of one vector, shape ``[d]``.

        Raises:
            ValueError: as for `plus`.
        """
        nothing = np.zeros(len(vector))
        return cls(nothing, nothing).plus(vector[None])

    def plus(self, vectors: np.ndarray) -> "Sum":
        """This sum and every row of ``vectors``, shape ``[K, d]``.

        Raises:
            ValueError: if the magnitudes would reach 2^12 in some coordinate, or are not finite.
        """
        rounded = to_grid(vectors)
        magnitude = self.magnitude + np.abs(rounded).sum(0)
        if not (magnitude < LIMIT).all():  # a NaN fails this comparison too
            fail("vectors", f"a sum of magnitudes below {LIMIT:g}", f"{float(magnitude.max()):g}")
        return Sum(self.total + rounded.sum(0), magnitude)
