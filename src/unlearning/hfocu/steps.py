"""One step of the recursion, for any model: products with the Hessian, clip, fresh terms."""

from dataclasses import dataclass
from functools import cached_property

import torch

from unlearning.curvature.products import Products
from unlearning.hfocu.rows import Touch

#: What the released code does otherwise, each switch by name.
QUIRKS = {
    "extra_factor": "the fresh term of a step is multiplied by (I - eta J) of that same step too",
    "sample_clip": "each sample's gradient is clipped by itself instead of being multiplied by P",
    "transposed_clip": "where the clip is active, J = H P instead of P H",
}


@dataclass(frozen=True)
class Rule:
    """What does not change from step to step.

    Attributes:
        l2: strength of the penalty.
        clip: the norm C that batch gradients are scaled down to, or None.
        convention: ``R1``, ``R2`` or ``R3``.
        quirks: names out of ``QUIRKS``.
    """

    l2: float
    clip: float | None
    convention: str
    quirks: tuple[str, ...] = ()


class Step:
    """One step of a run, with what the recursion needs of it.

    Args:
        rule: what all steps share.
        point: Hessian-vector products at the weights and batch of the step.
        w: the weights before the step, shape ``[d]``.
        size: samples in the batch, |B|.
        eta: step size.
        factor: clip factor; 1 where the clip was idle.
    """

    def __init__(self, rule: Rule, point: Products, w, size: int, eta: float, factor: float):
        self.rule, self.point, self.w = rule, point, w
        self.size, self.eta, self.factor = size, eta, factor

    @cached_property
    def mean(self) -> torch.Tensor:
        """Mean batch gradient of the loss; needed by R1 and by an active clip only."""
        return self.point.gradient()

    @cached_property
    def direction(self) -> torch.Tensor:
        """``g / |g|``, with g the batch gradient, penalty included."""
        gradient = self.mean + self.rule.l2 * self.w
        return gradient / torch.linalg.vector_norm(gradient)

    def advance(self, vectors: torch.Tensor, touch: Touch, chunk: int) -> None:
        """Apply the recursion to ``vectors [K, d]``, in place (a fresh buffer costs its weight)."""
        early = "extra_factor" in self.rule.quirks
        if early:
            self.add_sources(vectors, touch)
        for part in vectors.split(chunk):
            self.shrink(part)
        if not early:
            self.add_sources(vectors, touch)

    def shrink(self, vectors: torch.Tensor) -> None:
        """``(I - eta J) vectors``, in place."""
        transposed = "transposed_clip" in self.rule.quirks
        moved = self.project(vectors) if transposed else vectors
        curved = self.point.multiply(moved)
        curved.add_(moved, alpha=self.rule.l2)
        vectors.sub_(curved if transposed else self.project(curved), alpha=self.eta)

    def project(self, vectors: torch.Tensor) -> torch.Tensor:
        """``P vectors``: what clipping does to small changes of the batch gradient."""
        if self.factor == 1.0:
            return vectors
        along = (vectors @ self.direction)[:, None] * self.direction
        return self.factor * (vectors - along)

    def add_sources(self, vectors: torch.Tensor, touch: Touch) -> None:
        """Add ``eta / |B|`` times the fresh terms to the rows that have samples in the batch.

        Each row's samples are added up by a product with a matrix of zeros and ones: unlike a
        scattered addition, its result is the same at every run on a GPU, too.
        """
        if touch:
            fresh = touch.membership(vectors.dtype) @ self.sources(touch.used)
            vectors.index_add_(0, touch.rows, fresh, alpha=self.eta / self.size)

    def sources(self, used: torch.Tensor) -> torch.Tensor:
        """``P s_u`` for the batch positions ``used``, shape ``[len(used), d]``."""
        s = self.point.sample_gradients(used)
        if self.rule.convention == "R1":
            s = s - self.mean
        if self.rule.convention == "R2":
            s = s + self.rule.l2 * self.w
        if "sample_clip" not in self.rule.quirks:
            return self.project(s)
        if self.rule.clip is None:
            return s
        norms = torch.linalg.vector_norm(s, dim=1, keepdim=True)
        return s * (self.rule.clip / norms).clamp(max=1.0)
