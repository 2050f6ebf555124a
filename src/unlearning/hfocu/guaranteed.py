"""Deletion capacity as a promise: how many deletions a bound allows, and how many nothing does."""

import math
from typing import NamedTuple

import numpy as np
from scipy import stats

from unlearning.base import checks
from unlearning.hfocu.capacity import LIMIT
from unlearning.hfocu.generalisation import (
    METHODS,
    ExcessBound,
    excess_bound,
    minimiser_excess,
    optimisation_distance,
    sekhari_sensitivity,
    sensitivity,
)
from unlearning.problem.known_risk import Constants
from unlearning.training.schedule import Schedule

RETRAIN = "exact retrain"
AS_PUBLISHED = "Newton step, as published"


class Ceiling(NamedTuple):
    """What no unlearning can exceed on two coins, and the coins that say so.

    Attributes:
        deletions: the ceiling.
        lean: a of the coins ``1/2 + a`` and ``1/2 - a`` that give it; None if no coin does.
    """

    deletions: int
    lean: float | None


def own_bound(
    method: str, constants: Constants, n: int, deletions: int, schedule: Schedule | None = None
) -> float:
    """What the noise of a method is scaled by: ``sensitivity``, or another number for two of them.

    ``exact retrain`` needs no noise: 0. ``Newton step, as published`` has the sensitivity that
    Sekhari et al. (2021) state.

    Args:
        method: one of ``METHODS``, or one of these two.
        constants: of the problem.
        n: number of samples.
        deletions: how many are deleted.
        schedule: of the run; None for methods that start from a minimiser.

    Raises:
        ValueError: as ``sensitivity`` does.
    """
    checks.choice("method", method, (*METHODS, AS_PUBLISHED, RETRAIN))
    if method == RETRAIN:
        return 0.0
    if method == AS_PUBLISHED:
        return sekhari_sensitivity(constants, n, deletions)
    return sensitivity(method, constants, n, deletions, schedule)


def published_bound(
    method: str,
    constants: Constants,
    n: int,
    deletions: int,
    scale: float,
    schedule: Schedule | None = None,
    any_set: bool = False,
) -> ExcessBound:
    """``excess_bound`` of a method whose noise is scaled to its ``own_bound``.

    Args:
        method: as for ``own_bound``.
        constants: of the problem.
        n: number of samples.
        deletions: how many are deleted.
        scale: noise for a sensitivity of 1 (``capacity.gaussian_scale``).
        schedule: of the run; None for methods that start from a minimiser.
        any_set: as for ``excess_bound``.

    Raises:
        ValueError: as ``sensitivity`` does.
    """
    error, left = own_bound(method, constants, n, deletions, schedule), 0.0
    if method in ("HF-OCU", "do nothing", RETRAIN) and schedule is not None:
        left = optimisation_distance(constants, schedule, n, deletions)
    return excess_bound(constants, n, deletions, error=error, optimisation=left,
                        sigma=scale * error, any_set=any_set)  # fmt: skip


def guaranteed_capacity(
    method: str,
    constants: Constants,
    n: int,
    scale: float,
    *,
    schedule: Schedule | None = None,
    limit: float = LIMIT,
) -> int:
    """The most deletions after which any forget set is promised to keep the limit; 0 for none.

    At most two thirds of the samples.

    Args:
        method: as for ``published_bound``.
        constants: of the problem.
        n: number of samples.
        scale: noise for a sensitivity of 1.
        schedule: of the run; None for methods that start from a minimiser.
        limit: on the expected excess risk, noise included.

    Raises:
        ValueError: as ``published_bound`` does.
    """

    def keeps(m: int) -> bool:
        bound = published_bound(method, constants, n, m, scale, schedule, any_set=True)
        return bound.total <= limit

    # low keeps the limit, high does not. Up to 2/3 of the samples every part rises with m; beyond,
    # (1 - share) share^2 in the sensitivity falls.
    low, high = 0, 2 * n // 3 + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if keeps(middle) else (low, middle)
    return low


def capacity_rate(constants: Constants, n: int, epsilon: float, delta: float, left: float) -> float:
    """A closed form whose whole part HF-OCU's ``guaranteed_capacity`` reaches, for epsilon <= 1.

    ``n min(1/2, c_1, c_2 sqrt(epsilon) / (tr log(1.25/delta))^(1/4))``; chapter 7 has the constants
    and a proof.

    Args:
        constants: of the problem.
        n: number of samples.
        epsilon: of certified unlearning, at most 1.
        delta: of certified unlearning, between 0 and 1.
        left: bound on the distance of the retrained weights from their minimiser for ``n/2``
            deletions (``optimisation_distance``).

    Returns:
        A number of deletions, not rounded; 0 if ``c_1`` is negative.

    Raises:
        ValueError: for a value out of its range.
    """
    if checks.finite("epsilon", epsilon, above=0.0) > 1:
        checks.fail("epsilon", "a number of at most 1", epsilon)
    if checks.finite("delta", delta, above=0.0) >= 1:
        checks.fail("delta", "a number between 0 and 1", delta)
    c, root = constants, math.sqrt(constants.risk_curvature / 2)
    moved = c.gradient / c.l2
    error = (c.curvature * moved + c.third * moved**2 / 2) / c.l2  # B
    spare = math.sqrt(LIMIT / 2) - math.sqrt(minimiser_excess(c, n)) - root * left
    first = spare / (root * (moved + error / 2))
    noise = c.risk_trace * math.log(1.25 / delta)
    second = (LIMIT / 2 / error**2) ** 0.25 * math.sqrt(epsilon) / noise**0.25
    return n * max(0.0, min(0.5, first, second))


def ceiling(n: int, spread: float, epsilon: float, delta: float, limit: float = LIMIT) -> Ceiling:
    """What no (epsilon, delta)-unlearning can exceed: the mean of coins worth 0 or ``spread``.

    With the loss ``(w - z)^2 / 2`` and coins that show ``spread`` with probability ``1/2 + a`` or
    ``1/2 - a``, a capacity m on both satisfies, for every a (chapter 7 has the proof)::

        P[Bin(n, 2 a) <= m] <= (1 + e^(2 epsilon)) 2 limit / (a spread)^2 + (1 + e^epsilon) delta

    Args:
        n: number of samples.
        spread: what a coin is worth.
        epsilon: of certified unlearning, at least 0.
        delta: of certified unlearning, from 0 to 1.
        limit: of the definition.

    Returns:
        The largest m that keeps this for all of 500 values of a, and the a that allows no more; n
        and None if no a forbids anything.

    Raises:
        ValueError: for a value out of its range.
    """
    checks.integer("n", n, least=1)
    checks.finite("spread", spread, above=0.0)
    checks.finite("epsilon", epsilon, least=0.0)
    if checks.finite("delta", delta, least=0.0) > 1:
        checks.fail("delta", "a number from 0 to 1", delta)
    checks.finite("limit", limit, above=0.0)
    a = np.linspace(0.001, 0.5, 500)
    most = (1 + math.exp(2 * epsilon)) * 2 * limit / (a * spread) ** 2
    most += (1 + math.exp(epsilon)) * delta
    able = most < 1
    if not able.any():
        return Ceiling(n, None)
    # The first number that is too likely is one more than what may be deleted.
    first = stats.binom.ppf(most[able], n, 2 * a[able])
    last = first - (stats.binom.cdf(first, n, 2 * a[able]) > most[able])
    return Ceiling(int(last.min()), float(a[able][last.argmin()]))
