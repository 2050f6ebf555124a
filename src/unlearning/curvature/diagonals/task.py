"""What is to be computed, and what came out: shared by all ways to compute a diagonal."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch

from unlearning.curvature.kernels.memory import chunk_within
from unlearning.curvature.rows import BATCH, Rows
from unlearning.curvature.system import System
from unlearning.problem.objective import Objective
from unlearning.problem.samples import Samples

# What a batch may need while it is looked at.
_BATCH_BYTES = 2**27


@dataclass(frozen=True, eq=False)
class Task:
    """A diagonal to be computed; the attributes are the arguments of ``diagonal``."""

    objective: Objective
    samples: Samples
    w: torch.Tensor
    method: str
    probes: int
    seed: int
    dtype: torch.dtype
    batch: int | None
    indices: torch.Tensor

    def rows(self, numbers_per_sample: int) -> Rows:
        """All rows, in batches that fit the memory when each takes so many numbers."""
        fits = chunk_within(_BATCH_BYTES, numbers_per_sample * self.dtype.itemsize, BATCH)
        batch = fits if self.batch is None else self.batch
        return Rows(self.objective, self.samples, self.w, dtype=self.dtype, batch=batch)

    def system(self) -> System:
        """Products with the Hessian of the mean loss over all samples, without penalty."""
        batch = BATCH if self.batch is None else self.batch
        options = {"penalty_weight": 0.0, "dtype": self.dtype, "batch": batch}
        return System(self.objective, self.samples, self.w, **options)

    def generator(self) -> torch.Generator:
        """A new one, on the CPU: what is drawn does not depend on the device."""
        return torch.Generator().manual_seed(self.seed)


class Found(NamedTuple):
    """A diagonal ``[d]``, right in the entries that are wanted, with what it cost.

    The attributes are those of ``Diagonal``.
    """

    values: torch.Tensor
    products: int = 0
    passes: int = 0


Engine = Callable[[Task], Found]
