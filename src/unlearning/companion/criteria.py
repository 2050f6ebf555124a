"""What was measured, held against the limits that ``claims.yml`` sets: findings and effects.

A notebook states them, and a record keeps them. Nothing here says whether a claim holds; that is
read off the records (``verdicts``).
"""

import math
from collections.abc import Mapping
from typing import Any

from unlearning.base import checks
from unlearning.base.metrics import interval
from unlearning.companion import claims as claim_list

MODES = ("as_specified", "as_released")
HOLDS, FAILS, UNDECIDED = "holds", "fails", "undecided"
NEARLY_ONE = 1 - 1e-12  # where Fisher's transformation of a correlation is still finite


def finding(
    claim: str,
    criterion: str,
    by_seed: Mapping[int, float],
    *,
    convention: str | None = None,
    mode: str = "as_specified",
) -> dict[str, Any]:
    """Hold a measured quantity against the criterion that ``claims.yml`` has fixed for it.

    Args:
        claim: id of the claim.
        criterion: name of one of its criteria.
        by_seed: the quantity for each seed, finite numbers.
        convention: retraining target, one of those the criterion names; None if it names none.
        mode: ``as_specified``, which decides, or ``as_released``, which is shown beside it.

    Returns:
        Plain values for a record: mean, 95% interval over the seeds, extremes, and the outcome.

    Raises:
        ValueError: on an unknown name, a convention the criterion does not ask for, or no value.
    """
    wanted = claim_list.load()[claim].criterion(criterion)
    if convention not in wanted.conventions:
        checks.fail("convention", f"one of {wanted.conventions}", repr(convention))
    checks.choice("mode", mode, MODES)
    over_seeds = summary(by_seed, correlation=wanted.correlation)
    return {
        "claim": claim,
        "criterion": criterion,
        "quantity": wanted.quantity,
        "convention": convention,
        "mode": mode,
        "limit": wanted.limit,
        **over_seeds,
        "outcome": judge(wanted, over_seeds),
    }


def effect(
    erratum: str,
    quantity: str,
    setting: str,
    with_it: Mapping[int, float],
    without_it: Mapping[int, float],
) -> dict[str, Any]:
    """What a departure of released code changes: a quantity with it, without it, and the change.

    Args:
        erratum: id of the entry in ``errata.yml``.
        quantity: what is measured.
        setting: at which parameters.
        with_it: the quantity for each seed with the departure.
        without_it: the same without it, for the same seeds.

    Raises:
        ValueError: if the seeds differ.
    """
    if set(with_it) != set(without_it):
        checks.fail("without_it", f"the seeds of with_it, {sorted(with_it)}", sorted(without_it))
    change = {seed: value - without_it[seed] for seed, value in with_it.items()}
    return {
        "subject": erratum,
        "quantity": quantity,
        "setting": setting,
        "with": summary(with_it),
        "without": summary(without_it),
        "change": summary(change),
    }


def summary(by_seed: Mapping[int, float], *, correlation: bool = False) -> dict[str, Any]:
    """Mean, 95% Student interval and extremes over the seeds.

    Args:
        by_seed: the quantity for each seed.
        correlation: whether it is one; mean and interval are then taken on Fisher's scale.

    Raises:
        ValueError: if there is no value, or one that is not finite.
    """
    values = [float(value) for value in by_seed.values()]
    found = interval([_fisher(value) for value in values] if correlation else values)
    back = math.tanh if correlation else float
    ends = {"low": back(found.low), "high": back(found.high)} if found.count > 1 else {}
    return {
        "mean": back(found.mean),
        **ends,
        "least": min(values),
        "greatest": max(values),
        "count": found.count,
        "seeds": [int(seed) for seed in by_seed],
    }


def _fisher(value: float) -> float:
    return math.atanh(max(-NEARLY_ONE, min(NEARLY_ONE, value)))


def judge(criterion: claim_list.Criterion, measured: Mapping[str, Any]) -> str:
    """Whether all of what was measured keeps the limit, none of it does, or neither.

    What is looked at is the 95% interval, or each seed where the criterion asks for every one. One
    seed alone leaves the matter undecided.
    """
    if measured["count"] < 2:
        return UNDECIDED
    ends = ("least", "greatest") if criterion.every_seed else ("low", "high")
    low, high = (measured[end] for end in ends)
    if criterion.above is not None:
        keeps, misses = low > criterion.above, high <= criterion.above
    else:
        keeps, misses = high < criterion.below, low >= criterion.below
    if criterion.every_seed:
        return HOLDS if keeps else FAILS  # one seed is enough against it
    return HOLDS if keeps else FAILS if misses else UNDECIDED
