"""Intervals over seeds for quantities that no single seed has, such as a spread over the seeds."""

import math
from collections.abc import Callable, Mapping
from typing import TypeVar

from unlearning.base import checks

Value = TypeVar("Value")


def pseudo_values(
    statistic: Callable[[list[Value]], float], by_seed: Mapping[int, Value]
) -> dict[int, float]:
    """Tukey's pseudo-values: what each seed contributes to a statistic of all of them.

    With k seeds, theta the statistic of all and theta_i that without seed i, the i-th pseudo-value
    is ``k theta - (k - 1) theta_i``. For a mean it is the seed's own value. A Student interval over
    pseudo-values is an interval for the statistic; for the logarithm of a variance see Miller
    (1968).

    Args:
        statistic: of a list of values; it is called with all of them, and with all but one.
        by_seed: the value of each seed, at least three.

    Raises:
        ValueError: for fewer than three values, or a statistic that is not finite.
    """
    k = len(by_seed)
    if k < 3:
        checks.fail("by_seed", "at least three seeds", k)
    whole = statistic(list(by_seed.values()))
    found = {
        seed: k * whole - (k - 1) * statistic([v for s, v in by_seed.items() if s != seed])
        for seed in by_seed
    }
    if not all(math.isfinite(value) for value in found.values()):
        checks.fail("statistic", "finite numbers", found)
    return found


def log_spread(values: list[float]) -> float:
    """Logarithm of the standard deviation (of a sample) of the logarithms of positive numbers.

    A common factor on the numbers does not change it.

    Raises:
        ValueError: for fewer than two numbers, one that is not positive, or no spread at all.
    """
    if len(values) < 2 or not all(value > 0 for value in values):
        checks.fail("values", "at least two positive numbers", values)
    logs = [math.log(value) for value in values]
    mean = sum(logs) / len(logs)
    square = sum((x - mean) ** 2 for x in logs) / (len(logs) - 1)
    if not square > 0:
        checks.fail("values", "numbers that differ", values)
    return math.log(square) / 2
