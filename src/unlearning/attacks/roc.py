"""How well scores tell members from non-members.

The convention everywhere: a larger score speaks for membership; members are the positives. Nothing
here is fitted. A rate at few false alarms comes with the counts behind it, and where there are too
few non-members to speak of such a rate, there is none.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy import stats

from unlearning.base import checks


class Share(NamedTuple):
    """An estimate between 0 and 1.

    Attributes:
        value: the estimate.
        low: lower end of its interval.
        high: upper end.
        positives: members behind it.
        negatives: non-members behind it.
    """

    value: float
    low: float
    high: float
    positives: int
    negatives: int


def auc(positives, negatives, *, confidence: float = 0.95) -> Share:
    """The chance that a member scores above a non-member; a tie counts a half.

    The variance is that of DeLong, DeLong and Clarke-Pearson (1988). The interval is Wilson's for
    as many draws as would give that variance, so that it stays within 0 and 1 and does not shrink
    to a point where the two groups happen to be apart (there: as many draws as the smaller group).
    Scores must be independent across rows; for several seeds prefer an interval over them.

    Args:
        positives: scores of members, shape ``[P]``.
        negatives: scores of non-members, shape ``[N]``.
        confidence: of the interval.

    Raises:
        ValueError: for fewer than two scores on a side, scores that are no numbers, or a confidence
            that is not between 0 and 1.
    """
    positives, negatives = _scores("positives", positives), _scores("negatives", negatives)
    above, below = _placements(positives, negatives), 1 - _placements(negatives, positives)
    value = float(above.mean())
    variance = above.var(ddof=1) / len(above) + below.var(ddof=1) / len(below)
    # No law has a larger variance than that of as many coin tosses as the smaller group has rows.
    draws = min(len(above), len(below))
    if variance > 0:
        draws = max(draws, value * (1 - value) / variance)
    return Share(value, *_wilson(value, draws, confidence), len(above), len(below))


def true_positive_rate(
    positives, negatives, false_positive_rate: float, *, confidence: float = 0.95
) -> Share | None:
    """The share of members found by the threshold that at most this share of non-members passes.

    The interval is that of Clopper and Pearson for the members, at this threshold.

    Args:
        positives: scores of members, shape ``[P]``.
        negatives: scores of non-members, shape ``[N]``.
        false_positive_rate: above 0, below 1.
        confidence: of the interval.

    Returns:
        None where there are fewer than ``1 / false_positive_rate`` non-members: the threshold would
        lie beyond all that was seen.

    Raises:
        ValueError: as ``auc`` does, or for a rate that is not between 0 and 1.
    """
    positives, negatives = _scores("positives", positives), _scores("negatives", negatives)
    _between("false_positive_rate", false_positive_rate)
    allowed = math.floor(false_positive_rate * len(negatives) + 1e-9)
    if allowed < 1:
        return None
    threshold = np.sort(negatives)[::-1][allowed]  # at most `allowed` scores lie above this one
    hits, count = int((positives > threshold).sum()), len(positives)
    return Share(hits / count, *_exact(hits, count, confidence), count, len(negatives))


def balanced_accuracy(positives, negatives, threshold: float = 0.0) -> float:
    """Mean of the shares of members above and of non-members at or below a threshold.

    Args:
        positives: scores of members, shape ``[P]``.
        negatives: scores of non-members, shape ``[N]``.
        threshold: known beforehand (0 for a log-likelihood ratio) or from other rows.

    Raises:
        ValueError: as ``auc`` does, or for a threshold that is no number.
    """
    positives, negatives = _scores("positives", positives), _scores("negatives", negatives)
    threshold = checks.finite("threshold", threshold)
    return float(((positives > threshold).mean() + (negatives <= threshold).mean()) / 2)


def curve(positives, negatives) -> tuple[np.ndarray, np.ndarray]:
    """The ROC curve: false and true positive rates of all thresholds, from (0, 0) to (1, 1).

    Args:
        positives: scores of members, shape ``[P]``.
        negatives: scores of non-members, shape ``[N]``.

    Raises:
        ValueError: as ``auc`` does.
    """
    positives, negatives = _scores("positives", positives), _scores("negatives", negatives)
    steps = np.unique(np.concatenate([positives, negatives]))[::-1]
    rates = (
        np.concatenate([[0.0], _passing(side, steps) / len(side)])
        for side in (negatives, positives)
    )
    return tuple(rates)


def _passing(scores: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """How many scores reach each threshold."""
    return len(scores) - np.searchsorted(np.sort(scores), thresholds, side="left")


def _placements(scores: np.ndarray, others: np.ndarray) -> np.ndarray:
    """For each score the share of the others below it, ties counted half."""
    ordered = np.sort(others)
    below, upto = (np.searchsorted(ordered, scores, side=side) for side in ("left", "right"))
    return (below + upto) / (2 * len(others))


def _wilson(share: float, draws: float, confidence: float) -> tuple[float, float]:
    z = stats.norm.ppf((1 + _between("confidence", confidence)) / 2)
    centre = (share + z**2 / (2 * draws)) / (1 + z**2 / draws)
    half = math.sqrt(share * (1 - share) / draws + (z / (2 * draws)) ** 2) * z / (1 + z**2 / draws)
    return max(0.0, float(centre - half)), min(1.0, float(centre + half))


def _exact(hits: int, count: int, confidence: float) -> tuple[float, float]:
    found = stats.binomtest(hits, count).proportion_ci(_between("confidence", confidence))
    return float(found.low), float(found.high)


def _between(name: str, value: float) -> float:
    if not 0 < checks.finite(name, value) < 1:
        checks.fail(name, "a number between 0 and 1", value)
    return value


def _scores(name: str, values) -> np.ndarray:
    scores = np.asarray(values.cpu() if hasattr(values, "cpu") else values, np.float64)
    if scores.ndim != 1 or len(scores) < 2:
        checks.fail(name, "two or more scores", f"shape {list(scores.shape)}")
    if np.isnan(scores).any():
        checks.fail(name, "scores that are numbers", "NaN among them")
    return scores
