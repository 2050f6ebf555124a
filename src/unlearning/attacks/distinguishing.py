"""Telling two noisy publications apart: lower bounds that measurements give.

If unlearning is (epsilon, delta)-certified, then for every event W, seen with probability p on one
side and q on the other, ``p <= exp(epsilon) q + delta``. So an event with
``(p - delta) / q > exp(epsilon)`` refutes it. Here W is "the score lies beyond a threshold". The
threshold is chosen on one half of the draws and p, q are bounded on the other, by exact (Clopper
and Pearson) limits; both directions are tried. For two Gaussians of the same sigma the likelihood
ratio is monotone along the difference of their means, so that no other score sees more.

Where the noise is Gaussian, the claim is that the means lie at most ``mu`` times sigma apart. Then
``p <= Phi(Phi^-1(q) + mu)`` for every event. No delta is given away there, so that this refutes
noise that is too small by far less.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import stats

from unlearning.base import checks

#: Thresholds that are compared in each direction.
TRIED = 120
#: What follows from the shares of hits and of alarms, at their limits.
Least = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Distinguished(NamedTuple):
    """What a test could tell.

    Attributes:
        least: no smaller epsilon, or distance, fits the draws, at the confidence asked for; at
            least 0.
        direction: which side the event is likelier on, ``first`` or ``second``.
        threshold: the event is a score above it (``first``) or below it (``second``).
        hits: of the draws that judge, those of that side in the event.
        alarms: those of the other side.
        judged: draws of each side that judge.
    """

    least: float
    direction: str
    threshold: float
    hits: int
    alarms: int
    judged: int


def epsilon_at_least(first, second, *, delta: float, confidence: float = 0.999) -> Distinguished:
    """A lower bound on the epsilon of a mechanism, from scores of draws on both sides.

    Args:
        first: scores of independent draws on the side where they tend to be larger, shape ``[N]``.
        second: of as many on the other side.
        delta: at which epsilon is meant, at least 0 and below 1.
        confidence: the bound is at most the true epsilon with this probability at least.

    Raises:
        ValueError: for fewer than 4 scores or different numbers of them, scores that are not
            finite, or a delta or confidence out of its range.
    """
    if checks.finite("delta", delta, least=0.0) >= 1:
        checks.fail("delta", "a number below 1", delta)
    # log((p - delta) / q) with p at its lower and q at its upper limit; 0 if negative
    return _both_ways(
        first, second, confidence, lambda p, q: np.log(np.maximum((p - delta) / q, 1.0))
    )


def distance_at_least(first, second, *, confidence: float = 0.999) -> Distinguished:
    """A lower bound on how many sigmas the means of two Gaussians lie apart.

    Args:
        first: scores of independent draws on the side where they tend to be larger, shape ``[N]``.
        second: of as many on the other side.
        confidence: the bound is at most the true distance with this probability at least.

    Raises:
        ValueError: as ``epsilon_at_least`` does.
    """
    return _both_ways(
        first,
        second,
        confidence,
        lambda p, q: np.maximum(stats.norm.ppf(p) - stats.norm.ppf(q), 0.0),
    )


def projections(publish: Callable[[], Any], direction: Any, count: int) -> np.ndarray:
    """Publish some times, and look along a direction.

    Args:
        publish: gives new weights, shape ``[d]``, with noise of their own each time.
        direction: shape ``[d]``, the difference of the two sides' means; of any length.
        count: how often.

    Returns:
        Scores, shape ``[count]``.

    Raises:
        ValueError: if the direction has no length.
    """
    count = checks.integer("count", count, least=1)
    direction = np.asarray(direction, np.float64)
    length = float(np.linalg.norm(direction))
    if checks.finite("direction", length) == 0:
        checks.fail("direction", "a vector with a length", "zeros")
    unit = direction / length
    return np.array([float(np.asarray(publish()) @ unit) for _ in range(count)])


def _both_ways(first, second, confidence: float, least: Least) -> Distinguished:
    """What the better of the two directions tells."""
    sides = [np.asarray(scores, np.float64) for scores in (first, second)]
    for name, scores in zip(("first", "second"), sides, strict=True):
        if scores.ndim != 1 or len(scores) < 4 or len(scores) != len(sides[0]):
            checks.fail(name, f"{max(4, len(sides[0]))} scores", f"shape {list(scores.shape)}")
        if not np.isfinite(scores).all():
            checks.fail(name, "finite scores", "NaN or infinity among them")
    if checks.finite("confidence", confidence, above=0.0) >= 1:
        checks.fail("confidence", "a number between 0 and 1", confidence)
    miss = (1 - confidence) / 4  # of each of four limits: two shares in two directions
    above, below = sides
    found = [_one_way("first", above, below, miss, least),
             _one_way("second", -below, -above, miss, least)]  # fmt: skip
    best = max(found, key=lambda each: each.least)
    return best if best.direction == "first" else best._replace(threshold=-best.threshold)


def _one_way(direction: str, hits, alarms, miss: float, least: Least) -> Distinguished:
    """Scores beyond a threshold: chosen on the even draws, judged on the odd ones."""
    chosen_by = np.sort(hits[::2]), np.sort(alarms[::2])
    pooled = np.sort(np.concatenate(chosen_by))
    # Rare events decide as often as frequent ones: so many draws beyond, from one to nearly all.
    beyond = np.unique(np.geomspace(1, len(pooled) - 1, TRIED).astype(int))
    tried = pooled[-1 - beyond]
    guess = least(*_limits(*_beyond(chosen_by, tried), len(chosen_by[0]), miss))
    threshold = float(tried[guess.argmax()])
    judging = np.sort(hits[1::2]), np.sort(alarms[1::2])
    counts = _beyond(judging, np.array([threshold]))
    judged = len(judging[0])
    found = float(least(*_limits(*counts, judged, miss))[0])
    return Distinguished(found, direction, threshold, *(int(c[0]) for c in counts), judged)


def _beyond(both, thresholds) -> list[np.ndarray]:
    """How many of each side's scores, sorted, are above each threshold."""
    return [len(side) - np.searchsorted(side, thresholds, side="right") for side in both]


def _limits(hits, alarms, judged: int, miss: float) -> tuple[np.ndarray, np.ndarray]:
    """The share of hits at its lower limit, and that of alarms at its upper one."""
    low = np.where(hits > 0, stats.beta.ppf(miss, np.maximum(hits, 1), judged - hits + 1), 0.0)
    rest = np.maximum(judged - alarms, 1)
    return low, np.where(alarms < judged, stats.beta.ppf(1 - miss, alarms + 1, rest), 1.0)
