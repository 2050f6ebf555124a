"""Warm medians with their spread, of things that are timed in turns, and how they grow.

What is compared is timed in one process and in turns. So when the machine slows down for a while,
it slows down for all of them.
"""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy import stats

from unlearning.base import checks


@dataclass(frozen=True)
class Way:
    """One way to do something.

    Attributes:
        work: what is timed.
        count: of how many equal parts it consists; times are given for one of them.
        prepare: done before, and not timed.
    """

    work: Callable[[], Any]
    count: int = 1
    prepare: Callable[[], Any] | None = None


def compare(
    ways: Mapping[str, Way], *, repeats: int, warmups: int = 1, device: str = "cpu"
) -> dict[str, dict[str, Any]]:
    """Time each way in turn, again and again.

    Args:
        ways: by name.
        repeats: rounds that count.
        warmups: rounds before them that do not; the first call of all is kept as ``cold_ms``.
        device: whose work a clock must wait for.

    Returns:
        By name: ``cold_ms``, ``median_ms``, quartiles ``lower_ms`` and ``upper_ms``,
        ``least_ms``, ``repeats``, ``warmups``, and ``rounds_ms``, the times themselves.
    """
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(warmups + repeats):
        for name, way in ways.items():
            found[name].append(_milliseconds(way, device))
    return {name: summary(times, warmups) for name, times in found.items()}


def _milliseconds(way: Way, device: str) -> float:
    if way.prepare:
        way.prepare()
    _wait(device)
    begin = time.perf_counter()
    way.work()
    _wait(device)
    return (time.perf_counter() - begin) * 1e3 / way.count


def _wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize(device)


def summary(times: list[float], warmups: int) -> dict[str, Any]:
    """What is kept of the times of one way, the first ``warmups`` of which do not count."""
    warm = times[warmups:]
    inner = statistics.quantiles(warm, n=4, method="inclusive") if len(warm) > 1 else warm * 3
    return {
        "cold_ms": times[0],
        "median_ms": inner[1],
        "lower_ms": inner[0],
        "upper_ms": inner[2],
        "least_ms": min(warm),
        "repeats": len(warm),
        "warmups": warmups,
        "rounds_ms": warm,
    }


def ratio(slow: Mapping[str, Any], fast: Mapping[str, Any]) -> dict[str, float]:
    """How many times as long one way takes: median and quartiles over the rounds."""
    pairs = zip(slow["rounds_ms"], fast["rounds_ms"], strict=True)
    found = summary([a / b for a, b in pairs], 0)
    return {"median": found["median_ms"], "lower": found["lower_ms"], "upper": found["upper_ms"]}


def slope(sizes: Sequence[float], times: Sequence[float]) -> dict[str, float]:
    """Exponent of the power law through the points, by least squares of logarithms.

    Args:
        sizes: at least three, positive.
        times: as many, positive.

    Returns:
        ``slope``, its ``standard error``, and the ends ``low`` and ``high`` of its 95% interval.

    Raises:
        ValueError: if there are fewer, or as many sizes as times are not given.
    """
    if len(sizes) < 3 or len(sizes) != len(times):
        checks.fail("times", "three or more, one for each size", f"{len(times)} for {len(sizes)}")
    fit = stats.linregress(np.log(sizes), np.log(times))
    half = stats.t.ppf(0.975, len(sizes) - 2) * fit.stderr
    return {
        "slope": float(fit.slope),
        "standard error": float(fit.stderr),
        "low": float(fit.slope - half),
        "high": float(fit.slope + half),
    }
