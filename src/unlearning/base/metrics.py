"""Distances, correlations and intervals, each with its one definition."""

import math
from typing import NamedTuple

import torch
from scipy import stats

from unlearning.base.checks import fail


def distance(a: torch.Tensor, b: torch.Tensor) -> float:
    """Euclidean distance of two weight vectors of shape ``[d]``, computed in float64.

    Raises:
        ValueError: if the shapes or devices differ.
    """
    if a.shape != b.shape:
        fail("b", f"the shape of a, {list(a.shape)}", list(b.shape))
    if a.device != b.device:
        fail("b", f"the device of a, {a.device}", b.device)
    return float(torch.linalg.vector_norm(a.double() - b.double()))


def pearson(x: torch.Tensor, y: torch.Tensor) -> float:
    """Pearson correlation of two vectors of equal length; NaN if one is constant."""
    return _correlation(stats.pearsonr, x, y)


def spearman(x: torch.Tensor, y: torch.Tensor) -> float:
    """Spearman rank correlation of two vectors of equal length; NaN if one is constant."""
    return _correlation(stats.spearmanr, x, y)


def _correlation(statistic, x: torch.Tensor, y: torch.Tensor) -> float:
    if x.shape != y.shape or x.ndim != 1 or len(x) < 2:
        fail("y", f"a vector like x, {list(x.shape)}, of at least 2 entries", list(y.shape))
    if bool((x == x[0]).all()) or bool((y == y[0]).all()):
        return math.nan
    return float(statistic(x.double().cpu().numpy(), y.double().cpu().numpy()).statistic)


class Interval(NamedTuple):
    """A mean with its two-sided 95% Student interval over independent repetitions."""

    mean: float
    low: float
    high: float
    count: int


def interval(values, level: float = 0.95) -> Interval:
    """Mean and Student-t interval of repeated measurements (one per seed).

    Args:
        values: the measurements, at least one finite number.
        level: coverage, strictly between 0 and 1.

    Raises:
        ValueError: if there is no value, one is not finite, or the level is out of range.
    """
    numbers = [float(v) for v in values]
    if not numbers or not all(math.isfinite(v) for v in numbers):
        fail("values", "at least one number, all finite", numbers)
    if not 0 < level < 1:
        fail("level", "a number between 0 and 1", level)
    mean, count = sum(numbers) / len(numbers), len(numbers)
    if count == 1:  # one repetition says nothing about spread
        return Interval(mean, -math.inf, math.inf, 1)
    spread = math.sqrt(sum((v - mean) ** 2 for v in numbers) / (count - 1) / count)
    half = float(stats.t.ppf((1 + level) / 2, count - 1)) * spread
    return Interval(mean, mean - half, mean + half, count)
