"""A damped Newton system restricted to some of the weights: ``A_SS`` without the rest of A."""

from typing import NamedTuple

import torch

from unlearning.base import checks
from unlearning.curvature.coordinates import coordinates
from unlearning.curvature.system import System, check_dense

# Vectors are written into all d places before they are multiplied; together they take this much.
_BLOCK_BYTES = 2**28


class _Point(NamedTuple):
    """The part of the point that belongs to the restricted system."""

    w: torch.Tensor


class Restricted:
    """``A_SS + damping I`` for a set S of weights: what ``solve`` asks of a system, on S alone.

    A product embeds the vectors in all d places (zeros outside S), multiplies them with A and reads
    the places of S, so the d x d matrix is never formed: written out, it takes ``|S|`` products and
    ``|S|^2`` numbers. One prepared system serves many sets and dampings.

    Args:
        system: A, over all weights.
        places: S, distinct places in ``0..d-1``; all by default.
        damping: added to the diagonal, at least 0, beside what A has already.

    Attributes:
        rows: has ``w``, the weights of S, for their number, dtype and device.

    Raises:
        ValueError: for places or a damping out of their range.
    """

    def __init__(self, system: System, places=None, *, damping: float = 0.0):
        self.system = system
        w = system.rows.w
        if places is not None:
            checks.instance("places", places, torch.Tensor, "an integer tensor [|S|]")
        self.places = coordinates("places", places, len(w), w.device)
        self.damping = checks.finite("damping", damping, least=0.0)
        self.rows = _Point(w[self.places])

    @property
    def dimension(self) -> int:
        """Number of rows and columns, ``|S|``."""
        return len(self.places)

    @property
    def products(self) -> int:
        """How many products with a vector the system beneath has taken so far."""
        return self.system.products

    def multiply(self, vectors: torch.Tensor) -> torch.Tensor:
        """``(A_SS + damping I) vectors`` for ``vectors [K, |S|]`` of the system's dtype.

        Raises:
            ValueError: for another shape or dtype.
        """
        w = self.rows.w
        if vectors.ndim != 2 or vectors.shape[1] != len(w) or vectors.dtype != w.dtype:
            given = f"{vectors.dtype} of shape {list(vectors.shape)}"
            checks.fail("vectors", f"{w.dtype} of shape [K, {len(w)}]", given)
        out = self.damping * vectors
        count = max(1, _BLOCK_BYTES // (self.system.dimension * w.element_size()))
        for start in range(0, len(vectors), count):
            part = slice(start, start + count)
            out[part] += self.system.multiply(self.embedded(vectors[part]))[:, self.places]
        return out

    def dense(self) -> torch.Tensor:
        """The matrix itself, shape ``[|S|, |S|]``: products with ``|S|`` unit vectors.

        Raises:
            ValueError: if it would not fit into the memory that is free.
        """
        self.check_memory()
        w = self.rows.w
        return self.multiply(torch.eye(len(w), dtype=w.dtype, device=w.device))

    def check_memory(self) -> None:
        """Refuse to write out a matrix that does not fit into memory with its factor.

        Raises:
            ValueError: saying how much would be needed.
        """
        check_dense(self.dimension, self.rows.w)

    def embedded(self, vectors: torch.Tensor) -> torch.Tensor:
        """Vectors ``[K, d]`` with the entries ``[K, |S|]`` in S and zeros elsewhere."""
        whole = vectors.new_zeros(len(vectors), self.system.dimension)
        whole[:, self.places] = vectors
        return whole
