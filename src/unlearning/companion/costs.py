"""Costs added up over deletion requests, in any unit, and how times grow."""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from unlearning.base.timing import slope
from unlearning.companion import criteria

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
#: Exponents of time that operations let expect, by sweep and method.
EXPONENTS = {
    ("over n", "HF-OCU, per step"): 1,
    ("over n", "HF-OCU, all vectors"): 2,
    ("over n", "retraining"): 1,
    ("over n", "Newton by CG"): 1,
    ("over d", "HF-OCU, per step"): 1,
    ("over d", "retraining"): 1,
    ("over d", "Newton by CG"): 1,
    ("over d", "matrix"): 2,
    ("over d", "Newton, request"): 3,
    ("over d", "jackknife, request"): 2,
    ("additions", "addition"): 1,
}

Rows = Iterable[Mapping[str, Any]]


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


def exponent(rows: Rows, sweep: str, what: str, seed: int) -> float | None:
    """Exponent of the power law through the times of one method in one sweep.

    Args:
        rows: ``part`` (the sweep), ``seed``, ``n`` and ``d``, ``what`` and ``ms``, ``T``.
        sweep: ``over n``, ``over d`` or ``additions`` (over d).
        what: the method; ``HF-OCU, per step`` is the recollection over its T steps.
        seed: whose rows.

    Returns:
        None if there are fewer than three sizes.
    """
    each_step = what == "HF-OCU, per step"
    name = "HF-OCU, all vectors" if each_step else what
    mine = [r for r in rows if (r["part"], r["seed"], r.get("what", what)) == (sweep, seed, name)]
    sizes = [r["n" if sweep == "over n" else "d"] for r in mine]
    times = [r["ms"] / (r["T"] if each_step else 1) for r in mine]
    return slope(sizes, times)["slope"] if len(sizes) > 2 else None


def exponents(rows: Rows, seeds: Iterable[int]) -> pd.DataFrame:
    """Expected and measured exponents of each method; the interval is Student's over the seeds."""
    rows, seeds, found = list(rows), list(seeds), {}
    for (sweep, what), expected in EXPONENTS.items():
        fits = {seed: exponent(rows, sweep, what, seed) for seed in seeds}
        if None not in fits.values():
            name = f"{what}, {'over d' if sweep == 'additions' else sweep}"
            found[name] = {"expected": expected} | criteria.summary(fits)
    frame = pd.DataFrame(found).T.rename(columns={"mean": "measured"})
    return frame[["expected", "measured", "low", "high"]].astype(float)
