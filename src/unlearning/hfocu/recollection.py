"""Recollecting approximators: one vector per sample, or per set, by an affine recursion along SGD.

With ``B`` the batch of step t, ``g`` its gradient with penalty, ``H_t`` the Hessian of the mean
batch objective with penalty, and ``U`` a set to delete::

    a_{t+1} = (I - eta_t J_t) a_t + (eta_t / |B|) * sum over u in U and B of P_t s_u,    a_0 = 0

    clip idle:    P_t = I                                   J_t = H_t
    clip active:  P_t = (C / |g|) (I - g g^T / |g|^2)       J_t = P_t H_t

    s_u = grad l_u + l2 w (R2),   grad l_u (R3),   grad l_u - mean batch gradient of l (R1)

``a_T`` is minus the derivative of the whole run with respect to the weight of the samples in U
(Algorithm 1 of the HF-OCU paper for an idle clip).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch

from unlearning.base import checks
from unlearning.base.progress import track
from unlearning.curvature.products import hessian_vector_products
from unlearning.training.retrain import CONVENTIONS
from unlearning.training.trajectory import Run

#: What the released code does otherwise, each switch by name.
QUIRKS = {
    "extra_factor": "the fresh term of a step is multiplied by (I - eta J) of that same step too",
    "sample_clip": "each sample's gradient is clipped by itself instead of being multiplied by P",
    "transposed_clip": "where the clip is active, J = H P instead of P H",
}
#: The released behaviour: ``recollect(run, convention="R2", quirks=AS_RELEASED)``.
AS_RELEASED = tuple(QUIRKS)


@dataclass(frozen=True, eq=False)
class Approximators:
    """What must be added to the learned weights to delete samples.

    Attributes:
        vectors: shape ``[n, d]``, one per training sample, or ``[K, d]``, one per set.
        sets: the K sets, or None when there is one vector per sample.
        convention: the retraining that they approximate (see ``retrain``).
        quirks: the released code's departures that were switched on.
        fingerprint: of the run they belong to.
    """

    vectors: torch.Tensor
    sets: tuple[tuple[int, ...], ...] | None
    convention: str
    quirks: tuple[str, ...]
    fingerprint: str


def recollect(
    run: Run,
    *,
    sets: Sequence[Sequence[int]] | None = None,
    convention: str = "R2",
    quirks: Iterable[str] = (),
    chunk: int | None = None,
) -> Approximators:
    """Walk once along a run and compute the approximator of every sample, or of some sets.

    The recursion is linear, so the vector of a set is the sum of its samples' vectors; asking for
    K sets costs K vectors instead of n.

    Args:
        run: from ``train``, with its weights at every step.
        sets: lists of sample numbers, one vector each; by default one vector per sample.
        convention: which retraining to approximate, ``R1``, ``R2`` or ``R3``.
        quirks: names out of ``QUIRKS``; ``AS_RELEASED`` for all.
        chunk: how many vectors are multiplied with the Hessian at once (memory).

    Returns:
        The approximators, in the run's dtype and on its device.

    Raises:
        ValueError: for an unknown convention or quirk, an invalid set, or a result that is not
            finite.
    """
    n = len(run.samples)
    checks.choice("convention", convention, CONVENTIONS)
    quirks = tuple(checks.choice("quirks", quirk, QUIRKS) for quirk in quirks)
    if sets is not None:
        sets = tuple(tuple(checks.forget_set("sets", members, n)) for members in sets)
        if not sets:
            checks.fail("sets", "at least one set, or None for every sample", "an empty list")
    owners = _owners(sets, n)
    count = n if sets is None else len(sets)
    vectors = torch.zeros_like(run.trajectory[:1]).repeat(count, 1)
    for t in track(range(len(run)), "recollect", len(run)):
        _Step(run, t, convention, quirks).advance(vectors, owners, chunk)
    _check_finite(vectors)
    return Approximators(vectors, sets, convention, quirks, run.fingerprint)


def _owners(sets, n: int) -> list[list[int]]:
    """For each sample, the rows of the result whose sets it is in."""
    if sets is None:
        return [[i] for i in range(n)]
    owners = [[] for _ in range(n)]
    for row, members in enumerate(sets):
        for sample in members:
            owners[sample].append(row)
    return owners


def _check_finite(vectors: torch.Tensor) -> None:
    broken = (~torch.isfinite(vectors)).any(1).nonzero().flatten()
    if len(broken):
        checks.fail("run", "a run along which the recursion stays finite",
                    f"NaN or infinity in {len(broken)} vectors, the first number {int(broken[0])}: "
                    "the step size is too large for the curvature")  # fmt: skip


class _Step:
    """One step of the run, with what the recursion needs of it."""

    def __init__(self, run: Run, t: int, convention: str, quirks: tuple[str, ...]):
        self.objective, self.convention, self.quirks = run.objective, convention, quirks
        self.clip, self.factor, self.eta = run.schedule.clip, run.clip_factors[t], run.step_sizes[t]
        self.w, self.numbers = run.trajectory[t], run.batches[t].tolist()
        rows = run.batches[t].to(self.w.device)
        self.inputs, self.labels = run.samples.inputs[rows], run.samples.labels[rows]

    @cached_property
    def mean(self) -> torch.Tensor:
        """Mean batch gradient of the loss; only R1 and an active clip ask for it."""
        return self.objective.gradient(self.w, self.inputs, self.labels)

    @cached_property
    def direction(self) -> torch.Tensor:
        """``g / |g|``, with g the batch gradient, penalty included."""
        gradient = self.mean + self.objective.l2 * self.w
        return gradient / torch.linalg.vector_norm(gradient)

    def advance(self, vectors: torch.Tensor, owners: list[list[int]], chunk) -> torch.Tensor:
        """Apply the recursion to ``vectors [K, d]``, in place (a fresh buffer costs its weight)."""
        places = [(k, row) for k, i in enumerate(self.numbers) for row in owners[i]]
        if "extra_factor" in self.quirks:
            return self.shrink(self.add_sources(vectors, places), chunk)
        return self.add_sources(self.shrink(vectors, chunk), places)

    def shrink(self, vectors: torch.Tensor, chunk) -> torch.Tensor:
        """``(I - eta J) vectors``, in place."""
        transposed = "transposed_clip" in self.quirks
        moved = self.project(vectors) if transposed else vectors
        curved = self.curve(moved, chunk)
        return vectors.sub_(curved if transposed else self.project(curved), alpha=self.eta)

    def curve(self, vectors: torch.Tensor, chunk) -> torch.Tensor:
        """``H vectors``, penalty included."""
        products = hessian_vector_products(
            self.objective, self.w, self.inputs, self.labels, vectors, chunk=chunk
        )
        return products.add_(vectors, alpha=self.objective.l2)

    def project(self, vectors: torch.Tensor) -> torch.Tensor:
        """``P vectors``: what clipping does to small changes of the batch gradient."""
        if self.factor == 1.0:
            return vectors
        along = (vectors @ self.direction)[:, None] * self.direction
        return self.factor * (vectors - along)

    def add_sources(self, vectors: torch.Tensor, places: list[tuple[int, int]]) -> torch.Tensor:
        """Add ``eta / |B|`` times the fresh terms; ``places`` pairs batch positions with rows."""
        if not places:
            return vectors
        used = sorted({k for k, _ in places})
        position = {k: j for j, k in enumerate(used)}
        sources = self.sources(used)[[position[k] for k, _ in places]]
        rows = torch.tensor([row for _, row in places], device=vectors.device)
        return vectors.index_add_(0, rows, sources, alpha=self.eta / len(self.numbers))

    def sources(self, used: list[int]) -> torch.Tensor:
        """``P s_u`` for the batch positions ``used``, shape ``[len(used), d]``."""
        s = self.objective.sample_gradients(self.w, self.inputs[used], self.labels[used])
        if self.convention == "R1":
            s = s - self.mean
        if self.convention == "R2":
            s = s + self.objective.l2 * self.w
        if "sample_clip" not in self.quirks:
            return self.project(s)
        if self.clip is None:
            return s
        norms = torch.linalg.vector_norm(s, dim=1, keepdim=True)
        return s * (self.clip / norms).clamp(max=1.0)
