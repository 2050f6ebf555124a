"""The objective that is left when samples are deleted, under each convention."""

from dataclasses import dataclass
from typing import Protocol

import torch

from unlearning.base import checks
from unlearning.problem.objective import Objective
from unlearning.problem.samples import Samples
from unlearning.training.retrain import CONVENTIONS, weights_kept


class Learned(Protocol):
    """What has been learned, from what: a ``Run``, a ``Minimum``, or anything alike."""

    objective: Objective
    samples: Samples

    @property
    def weights(self) -> torch.Tensor:
        """The learned weights, shape ``[d]``."""


@dataclass(frozen=True)
class Retained:
    """``F = loss_weight * mean of l over the kept rows + penalty_weight * l2/2 |w|^2``.

    It is what ``retrain`` minimises when all samples are in one batch. With m of n deleted, R1 has
    the weights (1, 1), R2 (c, c) and R3 (c, 1) with ``c = (n - m)/n``. So R1 and R2 have the same
    minimiser.

    Attributes:
        kept: numbers of the rows that stay, rising.
        loss_weight: on the mean loss.
        penalty_weight: on the penalty.
    """

    kept: list[int]
    loss_weight: float
    penalty_weight: float


def retained(n: int, forget: list[int], convention: str) -> Retained:
    """The objective that is left of ``n`` samples without those of ``forget`` (may be empty).

    Raises:
        ValueError: for an unknown convention.
    """
    checks.choice("convention", convention, CONVENTIONS)
    gone = set(forget)
    kept = [i for i in range(n) if i not in gone]
    return Retained(kept, *weights_kept(len(kept) / n, convention))
