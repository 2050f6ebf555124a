"""The affine recursion along a run, for some rows of the result.

With ``B`` the batch of step t, ``g`` its gradient with penalty, ``H_t`` the Hessian of the mean
batch objective with penalty, and ``U`` a set to delete::

    a_{t+1} = (I - eta_t J_t) a_t + (eta_t / |B|) * sum over u in U and B of P_t s_u,    a_0 = 0

    clip idle:    P_t = I                                   J_t = H_t
    clip active:  P_t = (C / |g|) (I - g g^T / |g|^2)       J_t = P_t H_t

    s_u = grad l_u + l2 w (R2),   grad l_u (R3),   grad l_u - mean batch gradient of l (R1)

``a_T`` is minus the derivative of the whole run with respect to the weight of the samples in U
(Algorithm 1 of the HF-OCU paper for an idle clip).
"""

from collections.abc import Iterator, Sequence

import torch

from unlearning.base import checks
from unlearning.curvature import products
from unlearning.curvature.kernels.layout import Layout
from unlearning.hfocu import fused
from unlearning.hfocu.rows import Touches
from unlearning.hfocu.steps import Rule, Step
from unlearning.problem.objective import Objective
from unlearning.problem.samples import Samples
from unlearning.training.descent import Stretch, on_device


class Recursion:
    """Advances some rows of the result along a run, stretch by stretch.

    Args:
        rule: penalty, clip, convention and quirks.
        objective: of the run.
        samples: of the run.
        batches: of the run.
        sets: the members of each row of the whole result; None if row i is sample i.
        rows: those that are computed here.
        kernel: ``softmax``, ``layers`` or ``generic``; the first goes several steps at once.
        chunk: how many rows are worked on at once.
    """

    def __init__(
        self,
        rule: Rule,
        objective: Objective,
        samples: Samples,
        batches: Sequence[torch.Tensor],
        *,
        sets: Sequence[Sequence[int]] | None,
        rows: range,
        kernel: str,
        chunk: int,
    ):
        self.rule, self.objective, self.samples = rule, objective, samples
        self.sets, self.rows, self.kernel, self.chunk = sets, rows, kernel, chunk
        device = samples.inputs.device
        self.batches = on_device(batches, device)
        self.touches = Touches(batches, len(samples), sets, rows, device)
        fits = kernel == "softmax" and not rule.quirks
        self.layout = Layout(objective) if fits else None
        # For each row the first step after which it was not finite, or the number of steps.
        self.broken = torch.full((len(rows),), len(batches), device=device)

    def start(self) -> torch.Tensor:
        """The rows before the first step: zeros, shape ``[K, d]``."""
        like = self.objective.initial_weights
        return like.new_zeros(len(self.rows), len(like))

    def advance(self, vectors: torch.Tensor, stretch: Stretch) -> Iterator[range]:
        """Apply the steps of a stretch to ``vectors [K, d]``, in place.

        Yields:
            The numbers of the steps that have just been made.

        Raises:
            ValueError: if a row is not finite any more; the message names step and sample.
        """
        for steps, together in self._cut(stretch):
            for part in [steps] if together else [range(k, k + 1) for k in steps]:
                make = self._advance_together if together else self._advance_one
                make(vectors, stretch, part)
                yield range(stretch.first + part.start, stretch.first + part.stop)
        self.check_finite()

    def _cut(self, stretch: Stretch):
        """Parts of a stretch, as places in it, with whether they can be made together."""
        everything = range(len(stretch))
        if self.layout is None:
            return [(everything, False)]
        sizes = [len(self.batches[stretch.first + k]) for k in everything]
        factors, etas = stretch.clip_factors, stretch.step_sizes
        return fused.groups(factors, sizes, etas, self.rule.l2)

    def _advance_one(self, vectors: torch.Tensor, stretch: Stretch, steps: range) -> None:
        (k,) = steps
        # A copy, here and below: the last bits of a product depend on how its operands are aligned,
        # and where in a stretch a step stands depends on where the work was taken up again.
        t, w = stretch.first + k, stretch.weights[k].clone()
        inputs, labels = self._batch(t)
        point = products.at(self.objective, w, inputs, labels, kernel=self.kernel)
        eta, factor = stretch.step_sizes[k], stretch.clip_factors[k]
        step = Step(self.rule, point, w, len(inputs), eta, factor)
        step.advance(vectors, self.touches[t], self.chunk)
        for place, part in self._chunks(vectors):
            self._watch(place, part.sum(1), t)

    def _advance_together(self, vectors: torch.Tensor, stretch: Stretch, steps: range) -> None:
        first = stretch.first + steps.start
        numbers = range(first, stretch.first + steps.stop)
        part = slice(steps.start, steps.stop)
        batches = [self._batch(t) for t in numbers]
        group = fused.Group(
            self.layout,
            self.rule,
            fused.Steps(
                stretch.weights[part].clone(),
                [inputs.flatten(1) for inputs, _ in batches],
                [labels for _, labels in batches],
                stretch.step_sizes[part],
                [self.touches[t] for t in numbers],
            ),
            len(vectors),
        )
        for place, some in self._chunks(vectors):
            for t, sums in zip(numbers, group.advance(some, place.start), strict=True):
                self._watch(place, sums, t)

    def _batch(self, t: int) -> tuple[torch.Tensor, torch.Tensor]:
        numbers = self.batches[t]
        return self.samples.inputs[numbers], self.samples.labels[numbers]

    def _chunks(self, vectors: torch.Tensor):
        for first in range(0, len(vectors), self.chunk):
            place = slice(first, first + self.chunk)
            yield place, vectors[place]

    def _watch(self, place: slice, sums: torch.Tensor, t: int) -> None:
        """Remember, on the device, which rows stopped being finite in step t."""
        seen = self.broken[place]
        seen.copy_(torch.where(sums.isfinite(), seen, seen.clamp(max=t)))

    def check_finite(self) -> None:
        """Read back whether and where a row stopped being finite.

        Raises:
            ValueError: that names the first such step, and the first such row in it.
        """
        t = int(self.broken.min())
        if t < len(self.batches):
            number = self.rows[self.broken.tolist().index(t)]
            of = f"sample {number}" if self.sets is None else f"set {number}"
            checks.fail("run", "a run along which the recursion stays finite",
                        f"NaN or infinity in step {t} of {len(self.batches)} for {of}: the step "
                        "size is too large for the curvature")  # fmt: skip
