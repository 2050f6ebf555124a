"""Deletion capacity: published rates, and what a measured curve of excess risks gives.

Definition 2 of the HF-OCU paper (from Sekhari et al. 2021): the largest m such that after the
deletion of ANY m samples the expected excess population risk of what is published stays at most
0.01. What is published has noise, which is scaled by a sensitivity and costs risk itself.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from dp_accounting import get_sigma_gaussian

from unlearning.base import checks

#: The constant of the definition.
LIMIT = 0.01


class Capacity(NamedTuple):
    """Between which of the sizes that were tried a capacity lies.

    Attributes:
        deletions: the largest size up to which every one keeps the limit; 0 if the first does not.
        fails_at: the next size tried, which does not; None if all keep it.
    """

    deletions: int
    fails_at: int | None

    def __str__(self) -> str:
        """All that it may be: ``12`` or ``12–19``, ``≥ 100`` if no size tried fails."""
        if self.fails_at is None:
            return f"≥ {self.deletions}"
        most = self.fails_at - 1
        return f"{most}" if most == self.deletions else f"{self.deletions}–{most}"


def capacity(sizes: Sequence[int], excess: Sequence[float], limit: float = LIMIT) -> Capacity:
    """The deletion capacity that a curve of excess risks shows.

    Args:
        sizes: numbers of deletions, rising.
        excess: expected excess population risk after the worst deletion of each size; may be
            infinite where a method promises nothing.
        limit: what it may be at most.

    Raises:
        ValueError: if the sizes do not rise from at least 1, the curve has another length, or one
            of its values is not a number.
    """
    sizes = [checks.integer("sizes", size, least=1) for size in sizes]
    if not sizes or sorted(set(sizes)) != sizes:
        checks.fail("sizes", "numbers of deletions, rising", sizes)
    excess = [float(value) for value in excess]
    if len(excess) != len(sizes) or any(math.isnan(value) for value in excess):
        checks.fail("excess", f"{len(sizes)} numbers", excess)
    checks.finite("limit", limit, above=0.0)
    kept = 0
    for size, value in zip(sizes, excess, strict=True):
        if value > limit:
            return Capacity(kept, size)
        kept = size
    return Capacity(kept, None)


def excess_with_noise(
    excess: float, sensitivity: float, epsilon: float, delta: float, trace: float
) -> float:
    """Expected excess risk once Gaussian noise has been added to every weight.

    With ``sigma = sensitivity * gaussian_scale(epsilon, delta)`` the noise costs
    ``sigma^2 / 2 * trace``: exactly for a quadratic risk whose Hessian has this trace, and at most
    that for one whose Hessian nowhere exceeds a matrix with it.

    Args:
        excess: excess risk without noise.
        sensitivity: a bound on the distance of the unlearned from the retrained weights. With a
            number that is no bound, an empirical quantile for one, the result certifies nothing.
        epsilon: of certified unlearning, positive.
        delta: of certified unlearning, between 0 and 1.
        trace: of that matrix, not negative.

    Raises:
        ValueError: for a value out of its range.
    """
    checks.finite("excess", excess)
    checks.finite("sensitivity", sensitivity, least=0.0)
    checks.finite("trace", trace, least=0.0)
    sigma = sensitivity * gaussian_scale(epsilon, delta)
    return excess + sigma**2 / 2 * trace


def gaussian_scale(epsilon: float, delta: float) -> float:
    """Standard deviation of Gaussian noise per unit of sensitivity, the smallest that serves.

    The analytic Gaussian mechanism of Balle and Wang (2018): sigma solves
    ``delta = Phi(1/(2 sigma) - epsilon sigma) - exp(epsilon) Phi(-1/(2 sigma) - epsilon sigma)``.

    Raises:
        ValueError: if epsilon is not positive or delta not between 0 and 1.
    """
    _check(epsilon, delta)
    return get_sigma_gaussian(epsilon, delta)


def published_rates(n: int, d: int, epsilon: float, delta: float) -> dict[str, float]:
    """The rates of deletion capacity that are at hand, each up to a constant.

    Theorem 8 of the HF-OCU paper, the capacity of the method itself, is not among them: its rate is
    not at hand.

    Args:
        n: number of training samples.
        d: number of weights.
        epsilon: of certified unlearning.
        delta: of certified unlearning, between 0 and 1.

    Returns:
        ``upper``: ``n``, times a constant below 1 (Theorem 7, from Sekhari et al. 2021: no
        unlearning does better for some strongly convex loss). ``newton``:
        ``n sqrt(epsilon) / (d log(1/delta))^(1/4)``, what Sekhari et al. 2021 guarantee for theirs.

    Raises:
        ValueError: for a value out of its range.
    """
    checks.integer("n", n, least=1)
    checks.integer("d", d, least=1)
    _check(epsilon, delta)
    guaranteed = n * math.sqrt(epsilon) / (d * math.log(1 / delta)) ** 0.25
    return {"upper": float(n), "newton": guaranteed}


def _check(epsilon: float, delta: float) -> None:
    checks.finite("epsilon", epsilon, above=0.0)
    if checks.finite("delta", delta, above=0.0) >= 1:
        checks.fail("delta", "a number between 0 and 1", delta)
