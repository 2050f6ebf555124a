"""Warm medians with their spread, of things that are timed in turns, beside what the machine gives.

What is compared is timed in one process and in turns, a matrix product and a copy among them. So
when the machine slows down for a while, it slows down for all of them.
"""

import statistics
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch

#: Side of the square float32 matrices, and numbers that are copied, of the two ceilings.
GEMM, COPY = 2048, 2**24
GEMM_ON_GPU, COPY_ON_GPU = 8192, 2**28


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


class Ceilings:
    """What the machine gives at best: a large matrix product, and a copy."""

    def __init__(self, device: str = "cpu"):
        side, numbers = (GEMM, COPY) if device == "cpu" else (GEMM_ON_GPU, COPY_ON_GPU)
        a, b = torch.randn(2, side, side, device=device)
        self._product = a, b, torch.empty_like(a)
        self._copy = torch.zeros(numbers, device=device), torch.ones(numbers, device=device)
        self.flops, self.bytes = 2 * side**3, 2 * self._copy[0].nbytes

    def ways(self) -> dict[str, Way]:
        """Both, to be timed among others."""
        a, b, c = self._product
        source, target = self._copy
        return {
            "matrix product": Way(lambda: torch.mm(a, b, out=c)),
            "copy": Way(lambda: target.copy_(source)),
        }

    def found(self, times: Mapping[str, dict]) -> dict[str, float]:
        """Median and best rates: GFLOP/s of the product, GB/s of the copy (read and written)."""
        product, copy = times["matrix product"], times["copy"]
        return {
            "gflops": self.flops / product["median_ms"] / 1e6,
            "gflops_best": self.flops / product["least_ms"] / 1e6,
            "copy_gbs": self.bytes / copy["median_ms"] / 1e6,
            "copy_gbs_best": self.bytes / copy["least_ms"] / 1e6,
        }


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


def on_one_thread(work: Callable[[], Any]) -> Callable[[], Any]:
    """The same work on one thread: for small operations, waking others takes longer."""

    def alone():
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            work()
        finally:
            torch.set_num_threads(threads)

    return alone


def faster(times: Mapping[str, dict], names: Iterable[str]) -> str:
    """The name of the way with the smallest median."""
    return min(names, key=lambda name: times[name]["median_ms"])


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
