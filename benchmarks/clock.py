"""What the machine gives, to be timed in turns with what is measured (``base/timing``).

A matrix product and a copy are timed among the ways that are compared. So when the machine slows
down for a while, it slows down for all of them.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch

from unlearning.base.timing import Way, compare, ratio, summary

__all__ = ["Ceilings", "Way", "compare", "faster", "on_one_thread", "ratio", "summary"]

#: Side of the square float32 matrices, and numbers that are copied, of the two ceilings.
GEMM, COPY = 2048, 2**24
GEMM_ON_GPU, COPY_ON_GPU = 8192, 2**28


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
