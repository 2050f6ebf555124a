"""All rows of some samples at one point, a batch of them at a time, in the precision asked for."""

import copy
from collections.abc import Iterator

import torch

from unlearning.base import checks
from unlearning.problem.objective import Objective
from unlearning.problem.samples import Samples

#: Precisions that linear systems are set up in.
DTYPES = (torch.float64, torch.float32)
#: Rows looked at together, unless said otherwise.
BATCH = 1024


class Rows:
    """A point and the rows around it: means over all rows, in the memory of one batch.

    Args:
        objective: whose loss; the penalty is not part of what is computed here.
        samples: the rows.
        w: the point, shape ``[d]``.
        dtype: precision of weights, inputs and sums; out of ``DTYPES``.
        batch: rows looked at together.

    Raises:
        ValueError: if the samples do not fit the objective, ``w`` is not finite numbers ``[d]``, or
            ``dtype`` or ``batch`` is not of these.
    """

    def __init__(
        self, objective: Objective, samples: Samples, w, *, dtype=torch.float64, batch: int = BATCH
    ):
        objective.check_samples(samples)
        if not isinstance(w, torch.Tensor) or w.shape != (objective.dimension,):
            given = list(w.shape) if isinstance(w, torch.Tensor) else type(w).__name__
            checks.fail("w", f"a tensor of shape [{objective.dimension}]", given)
        if not bool(w.isfinite().all()):
            checks.fail("w", "finite numbers", "NaN or infinity among them")
        if dtype not in DTYPES:
            checks.fail("dtype", f"one of {', '.join(map(str, DTYPES))}", repr(dtype))
        self.batch = checks.integer("batch", batch, least=1)
        self.objective, self.samples = _in_dtype(objective, dtype), samples
        self.w = w.detach().to(dtype)

    def __len__(self) -> int:
        """The number of batches."""
        return -(-len(self.samples) // self.batch)

    def __iter__(self) -> Iterator[tuple[float, torch.Tensor, torch.Tensor]]:
        """Each batch: its share of all rows, its inputs and its labels."""
        dtype, n = self.w.dtype, len(self.samples)
        for start in range(0, n, self.batch):
            rows = slice(start, start + self.batch)
            inputs, labels = self.samples.inputs[rows].to(dtype), self.samples.labels[rows]
            real = labels.is_floating_point()
            yield len(labels) / n, inputs, labels.to(dtype) if real else labels

    def loss_and_gradient(self) -> tuple[float, torch.Tensor]:
        """Mean loss over all rows with its gradient, without penalty."""
        loss, total = 0.0, torch.zeros_like(self.w)
        for share, inputs, labels in self:
            gradient, part = self.objective.gradient_and_loss(self.w, inputs, labels)
            loss, total = loss + share * float(part), total + share * gradient
        return loss, total


def _in_dtype(objective: Objective, dtype: torch.dtype) -> Objective:
    """The same objective for weights of another dtype; its frozen parameters follow."""
    if objective.initial_weights.dtype == dtype:
        return objective
    twin = copy.deepcopy(objective)
    twin.architecture.to(dtype)
    return twin
