"""Costs added up over deletion requests, in any unit: operations, milliseconds, retrainings."""

import math
from collections.abc import Mapping

#: For each method: what is done before any request, and what a request takes.
WAYS = {
    "retraining": ([], "retraining"),
    "Newton by CG": ([], "Newton by CG"),
    "HF-OCU": (["HF-OCU, all vectors"], "HF-OCU, request"),
    "Newton": (["matrix"], "Newton, request"),
    "jackknife": (["matrix", "factor"], "jackknife, request"),
    "jackknife vectors": (["matrix", "factor", "jackknife, all vectors"], "HF-OCU, request"),
}
#: Methods that go over the data that is left: dearer for the first request than for the last.
OVER_THE_DATA = ("retraining", "Newton by CG")


def totals(cost: Mapping[str, float], requests: int, n: int | None = None) -> dict[str, float]:
    """Total cost by each method after some requests of one sample each.

    Args:
        cost: what each part takes; methods with a missing part are left out.
        requests: how many.
        n: with it, deletions accumulate: the j-th answer leaves out j of n samples. Without it,
            each request is for one sample of the full run, answered on its own.
    """
    return {
        name: sum(cost[part] for part in before) + _answers(name, requests, n) * cost[request]
        for name, (before, request) in WAYS.items()
        if {*before, request} <= cost.keys()
    }


def _answers(name: str, requests: int, n: int | None) -> float:
    """How many times the first answer all answers cost."""
    if n is None or name not in OVER_THE_DATA:
        return requests
    return sum((n - j) / (n - 1) for j in range(1, requests + 1))


def break_even(cost: Mapping[str, float], other: str) -> float:
    """Requests, each answered on its own, after which HF-OCU has taken less than another method.

    Infinity if it never has.
    """
    (before,), request = WAYS["HF-OCU"]
    spent, each = WAYS[other]
    ahead = cost[before] - sum(cost[part] for part in spent)
    saved = cost[each] - cost[request]
    if saved <= 0:
        return math.inf if ahead > 0 else 0.0
    return max(0.0, ahead / saved)
