"""Softmax regression: several steps of the recursion for the price of one pass over the rows.

One step reads every row twice (once for the products, once for the update), and at the papers'
sizes that takes longer than the arithmetic. But a step changes a row only by multiples of the
step's inputs and of its weights. So over a group of steps t = 0, 1, ... a row A (classes by
inputs, the bias being one input more that is always 1) is

    A_t = pi_t (A_0 - sum over r < t of F_r X_r + sum over r < t of e_r w_r),
    pi_t = product over r < t of (1 - eta_r l2),

where X_r are the inputs of step r, and F_r (classes by batch) and e_r (a number) are small. What
the next step needs of A_t are its logits on X_t, and they follow from A_0 X_t^T, from the inner
products X_r X_t^T and from the logits of w_r on X_t: all small but the first, which is one matrix
product for the whole group. So is the last line, which brings the row itself up to date.

(The same idea as the blocked Householder updates of dense linear algebra.)
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from unlearning.curvature.kernels.layout import Layout
from unlearning.hfocu.rows import Touch
from unlearning.hfocu.steps import Rule
from unlearning.training.descent import STRETCH

#: Samples of a group of steps: more of them share one pass, but cost inner products.
GROUP = 256
#: Rows worked on at once, by kind of device: on a processor their logits and changes stay in the
#: cache; on a GPU there must be enough of them that starting the work is not what takes time.
CHUNKS = {"cpu": 256, "cuda": 32768}
#: A group ends before the penalty has shrunk its rows below this share: pi_t is divided by.
LEAST_SHARE = 0.5


@dataclass(frozen=True, eq=False)
class Steps:
    """Consecutive steps whose clip is idle.

    Attributes:
        weights: before each step, shape ``[s, d]``.
        inputs: of each step's batch, flattened, shape ``[b, p]``.
        labels: of each step's batch, shape ``[b]``.
        etas: step sizes.
        touches: which rows have samples in which batch.
    """

    weights: torch.Tensor
    inputs: Sequence[torch.Tensor]
    labels: Sequence[torch.Tensor]
    etas: Sequence[float]
    touches: Sequence[Touch]


class Group:
    """All that the steps of a group need and that no row changes.

    Args:
        layout: how a flat vector holds the weights of the classes, and their biases.
        rule: what all steps share; no quirks.
        steps: of the group.
        rows: how many rows the result has.
    """

    def __init__(self, layout: Layout, rule: Rule, steps: Steps, rows: int):
        self.layout, self.rule, self.steps = layout, rule, steps
        self.x = torch.cat(list(steps.inputs))
        sizes = [len(part) for part in steps.inputs]
        ends = torch.tensor(sizes).cumsum(0).tolist()
        self.columns = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
        # No step comes before the first: a group of one step needs no inner products.
        self.gram = self.x @ self.x.T + float(layout.bias) if len(sizes) > 1 else None
        self.reach = self.x.abs().sum(1) + float(layout.bias)  # how much an update is multiplied
        # [classes, s, B]: every step's weights on the inputs of every step
        self.logits = layout.logits(steps.weights, self.x)
        self.members = self._members(rows)
        self.shares = [1.0]  # pi_t
        for eta in steps.etas:
            self.shares.append(self.shares[-1] * (1 - eta * rule.l2))
        self._prepare_steps()

    def _members(self, rows: int) -> torch.Tensor:
        """1 where a sample of the group belongs to a row, else 0: shape ``[rows, B]``."""
        members = torch.zeros(rows, len(self.x), dtype=self.x.dtype, device=self.x.device)
        for touch, columns in zip(self.steps.touches, self.columns, strict=True):
            members[touch.rows[touch.row_of], columns.start + touch.used[touch.used_of]] = 1.0
        return members

    def _prepare_steps(self) -> None:
        """Probabilities and residuals (probability minus label) of each step, ``[c, 1, b]``."""
        self.probabilities, self.residuals = [], []
        for t, columns in enumerate(self.columns):
            p = self.logits[:, t, columns].softmax(0)
            residual = p.scatter_add(0, self.steps.labels[t][None], -torch.ones_like(p[:1]))
            self.probabilities.append(p[:, None])
            self.residuals.append(residual[:, None])

    def advance(self, vectors: torch.Tensor, first: int) -> torch.Tensor:
        """Apply all steps to ``vectors [K, d]``, the rows from ``first`` on, in place.

        Returns:
            For each step and row, a number that is not finite if the row is not, ``[s, K]``.
        """
        count, layout = len(vectors), self.layout
        members = self.members[first : first + count]
        u = layout.logits(vectors, self.x)  # [classes, K, B]
        f = torch.empty_like(u)
        e = vectors.new_zeros(count, len(self.columns))
        sums = []
        for t, columns in enumerate(self.columns):
            now = self._logits(t, u, f, e)
            sums.append(self._change(t, now, members[:, columns], f, e))
        share = self.shares[-1]
        layout.add_outer_(vectors, f, self.x, beta=share, alpha=-share)
        if self._penalised:
            vectors.addmm_(e, self.steps.weights, alpha=share)
        sums[-1] = sums[-1] + vectors.sum(1)
        return torch.stack(sums)

    @property
    def _penalised(self) -> bool:
        """Whether fresh terms carry their share of the penalty, a multiple of the weights."""
        return self.rule.convention == "R2" and self.rule.l2 > 0

    def _logits(self, t: int, u, f, e) -> torch.Tensor:
        """The logits of the rows before step t on its inputs, over pi_t: shape ``[c, K, b]``."""
        columns, before = self.columns[t], self.columns[t].start
        classes, count, _ = u.shape
        flat_u, flat_f = u.view(classes * count, -1), f.view(classes * count, -1)
        if t == 0:
            return u[:, :, columns]
        now = torch.addmm(
            flat_u[:, columns], flat_f[:, :before], self.gram[:before, columns], alpha=-1
        ).view(classes, count, -1)
        if self._penalised:
            now += e[:, :t] @ self.logits[:, :t, columns]
        return now

    def _change(self, t: int, now, members, f, e) -> torch.Tensor:
        """Write what step t does to the rows into ``f`` and ``e``; return how much, by row."""
        eta, size = self.steps.etas[t], members.shape[1]
        after = self.shares[t + 1]
        p = self.probabilities[t]
        curved = p * now
        curved.addcmul_(p, curved.sum(0), value=-1)
        curved *= eta * self.shares[t] / (size * after)
        if self.steps.touches[t]:
            fresh = eta / (size * after)
            counts = members.sum(1, keepdim=True)
            if self.rule.convention == "R1":
                members = members - counts / size
            curved.addcmul_(members, self.residuals[t], value=-fresh)
            if self._penalised:
                e[:, t : t + 1] = counts * (fresh * self.rule.l2)
        f[:, :, self.columns[t]] = curved
        return (curved @ self.reach[self.columns[t]]).sum(0)


def groups(factors: Sequence[float], sizes: Sequence[int], etas: Sequence[float], l2: float):
    """Cut steps into groups: ``(range, fused)`` with single steps where the clip is active.

    Args:
        factors: clip factor of each step.
        sizes: samples of each batch.
        etas: step sizes.
        l2: strength of the penalty.
    """
    start, filled, share = 0, 0, 1.0
    for t, (factor, size, eta) in enumerate(zip(factors, sizes, etas, strict=True)):
        shrink = 1 - eta * l2
        single = factor != 1.0 or shrink < LEAST_SHARE
        full = filled + size > GROUP or share * shrink < LEAST_SHARE
        if start < t and (single or full):
            yield range(start, t), True
            start, filled, share = t, 0, 1.0
        if single:
            yield range(t, t + 1), False
            start = t + 1
        else:
            filled, share = filled + size, share * shrink
    if start < len(factors):
        yield range(start, len(factors)), True


def bytes_needed(classes: int, features: int, batch: int, d: int, size: int) -> tuple[int, ...]:
    """What a group of steps takes: bytes in all, for each row, and for each row of a chunk.

    Args:
        classes: of the model.
        features: inputs of a sample.
        batch: samples of the largest batch.
        d: weights of the model.
        size: bytes of a number.
    """
    together = max(GROUP, batch)
    steps = STRETCH
    inputs = 3 * together * features  # gathered, joined, and once more while joining
    logits = (steps + 6) * classes * together
    fixed = inputs + together**2 + logits + 2 * steps * d
    per_chunk_row = 2 * classes * together + 5 * classes * batch + 3 * batch + steps
    return fixed * size, together * size, per_chunk_row * size
