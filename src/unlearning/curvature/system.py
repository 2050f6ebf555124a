"""The matrix of a damped Newton system over many samples, as products or written out."""

from collections.abc import Iterator

import torch

from unlearning.base import checks, memory
from unlearning.base.precision import in_full_float32
from unlearning.curvature import products
from unlearning.curvature.ggn import GaussNewtonProducts
from unlearning.curvature.kernels.memory import held_bytes
from unlearning.curvature.rows import BATCH, Rows
from unlearning.problem.objective import Objective
from unlearning.problem.samples import Samples

CURVATURES = ("hessian", "ggn")
# What batches have computed once is kept for the next product while it needs no more than this.
_KEPT_BYTES = 2**30

Point = products.Products | GaussNewtonProducts


class System:
    """``A = a C + (p l2 + damping) I``, with C the mean curvature of the loss over samples.

    By default ``a = p = 1``: the Hessian of the mean objective, penalty included, plus damping. C
    is the Hessian of the mean loss at ``w``, or its generalised Gauss-Newton matrix. A product goes
    over the samples a batch at a time, so its memory does not grow with their number.

    Args:
        objective: loss, model and penalty.
        samples: the rows over which the mean is taken.
        w: the point, shape ``[d]``.
        damping: added to the diagonal, at least 0.
        curvature: ``hessian`` or ``ggn``.
        loss_weight: a, above 0.
        penalty_weight: p, at least 0.
        dtype: ``torch.float64``, whatever the weights come in, or ``torch.float32``.
        batch: samples looked at together.

    Attributes:
        products: how many products with a vector have been taken so far.

    Raises:
        ValueError: for a value out of its range; the message names it.
    """

    def __init__(
        self,
        objective: Objective,
        samples: Samples,
        w: torch.Tensor,
        *,
        damping: float = 0.0,
        curvature: str = "hessian",
        loss_weight: float = 1.0,
        penalty_weight: float = 1.0,
        dtype: torch.dtype = torch.float64,
        batch: int = BATCH,
    ):
        self.curvature = checks.choice("curvature", curvature, CURVATURES)
        self.loss_weight = checks.finite("loss_weight", loss_weight, above=0.0)
        penalty = checks.finite("penalty_weight", penalty_weight, least=0.0) * objective.l2
        self.shift = penalty + checks.finite("damping", damping, least=0.0)
        self.rows = Rows(objective, samples, w, dtype=dtype, batch=batch)
        self.products = 0
        self._points: list | None = None

    @property
    def dimension(self) -> int:
        """Number of rows and columns, d."""
        return len(self.rows.w)

    @in_full_float32
    def multiply(self, vectors: torch.Tensor) -> torch.Tensor:
        """``A vectors`` for ``vectors [K, d]`` of the system's dtype.

        Raises:
            ValueError: for another shape or dtype.
        """
        w = self.rows.w
        if vectors.ndim != 2 or vectors.shape[1] != len(w) or vectors.dtype != w.dtype:
            given = f"{vectors.dtype} of shape {list(vectors.shape)}"
            checks.fail("vectors", f"{w.dtype} of shape [K, {len(w)}]", given)
        self.products += len(vectors)
        out = self.shift * vectors
        for share, point in self._prepared(len(vectors)):
            for start in range(0, len(vectors), point.default_chunk):
                part = slice(start, start + point.default_chunk)
                out[part].add_(point.multiply(vectors[part]), alpha=self.loss_weight * share)
        return out

    def dense(self) -> torch.Tensor:
        """A itself, shape ``[d, d]``: its products with all d unit vectors.

        Raises:
            ValueError: if it would not fit into the memory that is free.
        """
        d, w = self.dimension, self.rows.w
        check_dense(d, w)
        out = torch.empty(d, d, dtype=w.dtype, device=w.device)
        for start in range(0, d, 512):
            rows = torch.arange(start, min(start + 512, d), device=w.device)
            units = torch.zeros(len(rows), d, dtype=w.dtype, device=w.device)
            units[rows - start, rows] = 1.0
            out[rows] = self.multiply(units)
        return out

    def _prepared(self, count: int) -> Iterator[tuple[float, Point]]:
        """Each batch's share and products; prepared once if that takes little memory.

        The first ``count`` of vectors decides which kernel suits them.
        """
        if self._points is not None:
            yield from self._points
            return
        kept: list | None = []
        for share, inputs, labels in self.rows:
            point = self._point(inputs, labels, count)
            if kept is not None:
                kept.append((share, point))
                if held_bytes(point) * len(self.rows) > _KEPT_BYTES:
                    kept = None
            yield share, point
        self._points = kept

    def _point(self, inputs, labels, count: int) -> Point:
        objective, w = self.rows.objective, self.rows.w
        if self.curvature == "ggn":
            return GaussNewtonProducts(objective, w, inputs, labels)
        return products.at(objective, w, inputs, labels, count=count)


def check_dense(d: int, w: torch.Tensor) -> None:
    """Refuse to write out a matrix that does not fit into memory with its Cholesky factor.

    Raises:
        ValueError: saying how much would be needed.
    """
    needed, free = 2 * d * d * w.element_size(), memory.available(w.device)
    if needed > free:
        wanted = f"'cg' for d = {d}, whose dense matrix and factor take {memory.shown(needed)}"
        checks.fail("solver", wanted, f"'dense' with {memory.shown(free)} free")
