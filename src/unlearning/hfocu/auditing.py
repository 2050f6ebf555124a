"""Holding a certificate's bound against many forget sets, random ones and hard ones."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch

from unlearning.base import checks
from unlearning.hfocu.approximators import Approximators
from unlearning.hfocu.deletion import forget
from unlearning.hfocu.hard_sets import hard_sets, lined_up
from unlearning.problem.data import draw_forget_set
from unlearning.training.ensemble import retrain_many
from unlearning.training.trajectory import Run

#: Of a direction that is to have no length, times which its entries are about 1.
TINY = 2.0**-80


def residuals(
    run: Run, approximators: Approximators, sets: Sequence[Sequence[int]]
) -> torch.Tensor:
    """How far unlearning ends from retraining, for each of many sets: ``|w^U - w^-U|``.

    Args:
        run: of one linear layer under the cross-entropy.
        approximators: of this run, one per sample; their convention is that of the retraining.
        sets: lists of sample numbers.

    Returns:
        The distances, shape ``[K]``, in double precision.

    Raises:
        ValueError: as ``forget`` and ``retrain_many`` do.
    """
    retrained = retrain_many(run, sets, convention=approximators.convention)
    unlearned = torch.stack([forget(run, approximators, members) for members in sets])
    return torch.linalg.vector_norm(unlearned.double() - retrained.double(), dim=1)


def audit_sets(
    run: Run, approximators: Approximators, deletions: int, *, random: int, hard: int, seed: int = 0
) -> dict[str, list[list[int]]]:
    """Forget sets of one size by several rules, some of them picked to do damage.

    ``random``; ``longest gradients`` and ``one cluster`` (``hard_sets``) and ``longest
    approximators``, one set each; ``one class``, the longest approximators of each class that is
    large enough; and ``lined up``, sets whose approximators add up to something long, from
    different starts.

    Args:
        run: the learned run.
        approximators: of this run, one per sample.
        deletions: size of the sets.
        random: how many random sets.
        hard: from how many starts sets are lined up; what is found twice counts once.
        seed: of the random sets and starts.

    Raises:
        ValueError: if a number is out of its range.
    """
    n = len(run.samples)
    checks.integer("deletions", deletions, least=1, most=n - 1)
    checks.integer("random", random, least=0)
    checks.integer("hard", hard, least=0)
    if approximators.sets is not None or len(approximators.vectors) != n:
        checks.fail("approximators", f"those of all {n} samples", "others")
    seed = checks.integer("seed", seed, least=0)
    vectors, labels = approximators.vectors[:], run.samples.labels
    lengths = vectors.norm(dim=1)
    picked = hard_sets(run, vectors, deletions, best=run.weights, seed=seed, starts=1)
    found = {
        "random": [draw_forget_set(n, deletions, seed + i) for i in range(random)],
        "longest gradients": [picked["longest gradients"]],
        "one cluster": [picked["one cluster"]],
        "longest approximators": [_top(lengths, deletions)],
        "one class": [
            _top(lengths.masked_fill(labels != label, -math.inf), deletions)
            for label in labels.unique()
            if int((labels == label).sum()) >= deletions
        ],
    }
    generator = torch.Generator().manual_seed(seed)
    # A start is a random direction and its opposite: a vector that is too short to count in a sum.
    starts = TINY * torch.randn(hard, vectors.shape[1], generator=generator, dtype=torch.float64)
    ends = [lined_up(vectors, deletions, away=way.to(vectors), starts=0) for way in starts]
    found["lined up"] = [list(members) for members in {tuple(sorted(end)) for end in ends}]
    return found


def _top(values: torch.Tensor, count: int) -> list[int]:
    return values.topk(count).indices.tolist()


class EmpiricalSensitivity(NamedTuple):
    """A quantile of measured distances. It bounds nothing: another set may lie beyond.

    Attributes:
        value: the quantile.
        level: which one, such as 0.99.
        measured: how many distances it is of.
    """

    value: float
    level: float
    measured: int


def empirical_sensitivity(distances, level: float = 0.99) -> EmpiricalSensitivity:
    """What some publications scale their noise by: not a bound, and ``certify`` refuses it.

    Args:
        distances: measured residuals, shape ``[K]``.
        level: of the quantile, above 0 and at most 1; the next measured value above is taken.

    Raises:
        ValueError: if there is no distance, one is negative or not finite, or the level is out of
            its range.
    """
    values = [checks.finite("distances", float(value), least=0.0) for value in distances]
    if not values:
        checks.fail("distances", "at least one", "none")
    if checks.finite("level", level, above=0.0) > 1:
        checks.fail("level", "a number of at most 1", level)
    place = math.ceil(level * len(values) - 1e-9) - 1
    return EmpiricalSensitivity(sorted(values)[place], float(level), len(values))
