"""Verdicts: what was measured, held against a claim's criterion. Only records decide.

A notebook states findings (``finding``); a record keeps them; ``verdict`` reads them back. The run
of a page is an illustration: it shows whether a criterion held there (``show_findings``), and says
so in other words than a verdict.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from unlearning.base import checks
from unlearning.base.metrics import interval
from unlearning.companion import claims as claim_list
from unlearning.companion import record as records

REPRODUCED, PARTLY, NOT_REPRODUCED = "reproduced", "partly reproduced", "not reproduced"
NOT_TESTABLE, NOT_EXAMINED = "not testable here", "not yet examined"
STATES = {
    REPRODUCED: "every criterion held in the paper's setting, over all published seeds",
    PARTLY: "some criteria held; others failed, are undecided or wait for their run",
    NOT_REPRODUCED: "no criterion held: each failed or is undecided",
    NOT_TESTABLE: "data, scale or a detail of the protocol is missing, or it is a definition",
    claim_list.NOT_AT_HAND: "its wording is not at hand; our own proposition stands in its place",
    NOT_EXAMINED: "not all of its runs have been recorded yet",
}
MODES = ("as_specified", "as_released")
HOLDS, FAILS, UNDECIDED = "holds", "fails", "undecided"


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
        Plain values for a record: mean, 95% Student interval over the seeds, and the outcome.

    Raises:
        ValueError: on an unknown name, a convention the criterion does not ask for, or no value.
    """
    wanted = claim_list.load()[claim].criterion(criterion)
    if convention not in wanted.conventions:
        checks.fail("convention", f"one of {wanted.conventions}", repr(convention))
    checks.choice("mode", mode, MODES)
    over_seeds = _summary(by_seed)
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
    erratum: str, quantity: str, setting: str, with_it: Mapping, without_it: Mapping
) -> dict[str, Any]:
    """What a departure of released code changes: a quantity with it and without it.

    Args:
        erratum: id of the entry in ``errata.yml``.
        quantity: what is measured.
        setting: at which parameters.
        with_it: the quantity for each seed with the departure.
        without_it: the same without it.
    """
    return {
        "subject": erratum,
        "quantity": quantity,
        "setting": setting,
        "with": _summary(with_it),
        "without": _summary(without_it),
    }


def _summary(by_seed: Mapping[int, float]) -> dict[str, Any]:
    found = interval(by_seed.values())
    ends = {"low": found.low, "high": found.high} if found.count > 1 else {}
    seeds = [int(seed) for seed in by_seed]
    return {"mean": found.mean, **ends, "count": found.count, "seeds": seeds}


def judge(criterion: claim_list.Criterion, measured: Mapping[str, Any]) -> str:
    """Whether the whole interval keeps the limit, none of it does, or neither.

    One seed alone has no interval, so it leaves the matter undecided.
    """
    low, high = measured.get("low"), measured.get("high")
    if low is None:
        return UNDECIDED
    if criterion.above is not None:
        return HOLDS if low > criterion.above else FAILS if high <= criterion.above else UNDECIDED
    return HOLDS if high < criterion.below else FAILS if low >= criterion.below else UNDECIDED


@dataclass(frozen=True)
class Verdict:
    """The state of one claim, and where it comes from."""

    claim: claim_list.Claim
    state: str
    findings: list[dict[str, Any]] = field(default_factory=list)
    beside: list[dict[str, Any]] = field(default_factory=list)
    records: tuple[str, ...] = ()
    stale: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()

    @property
    def decided(self) -> bool:
        """Whether a record stands behind the state."""
        return self.state in (REPRODUCED, PARTLY, NOT_REPRODUCED)


def verdict(claim: str, kept: Mapping[str, Mapping] | None = None) -> Verdict:
    """The verdict on a claim, from the records of its protocols.

    Args:
        claim: id of the claim.
        kept: the records by name; those in ``results/`` by default.
    """
    about = claim_list.load()[claim]
    if about.statement == claim_list.NOT_AT_HAND:
        return Verdict(about, claim_list.NOT_AT_HAND)
    if about.not_testable:
        return Verdict(about, NOT_TESTABLE)
    return _from_records(about, _records_for(about) if kept is None else kept)


def _records_for(about: claim_list.Claim) -> dict[str, Mapping]:
    """The records that a claim's criteria ask for, as far as they have been made."""
    protocols = {claim_list.load().protocols[criterion.protocol] for criterion in about.criteria}
    loaded = [records.load(claim_list.record_of(protocol)) for protocol in protocols]
    return {record["name"]: record for record in loaded if record}


def _from_records(about: claim_list.Claim, kept: Mapping[str, Mapping]) -> Verdict:
    found, beside, names, missing = [], [], [], []
    for criterion in about.criteria:
        protocol = claim_list.load().protocols[criterion.protocol]
        record = kept.get(claim_list.record_of(protocol))
        for convention in criterion.conventions:
            mine = _matching(record, about.id, criterion, convention, protocol)
            decisive = [f for f in mine if f["mode"] == "as_specified"]
            found += decisive
            beside += [f for f in mine if f["mode"] != "as_specified"]
            if decisive:
                names.append(record["name"])
            else:
                missing.append(criterion.quantity)
    names = tuple(dict.fromkeys(names))
    stale = tuple(name for name in names if kept[name]["stale"])
    state = _state([f["outcome"] for f in found], len(missing))
    return Verdict(about, state, found, beside, names, stale, tuple(dict.fromkeys(missing)))


def _matching(record, claim: str, criterion, convention, protocol) -> list[dict[str, Any]]:
    """The record's findings on one criterion; only a run over all published seeds counts."""
    if record is None:
        return []
    return [
        {**f, "record": record["name"], "outcome": judge(criterion, f)}
        for f in record["findings"]
        if (f["claim"], f["criterion"], f["convention"]) == (claim, criterion.id, convention)
        and set(protocol.seeds) <= set(f["seeds"])
    ]


def _state(outcomes: list[str], missing: int) -> str:
    if HOLDS in outcomes:
        return PARTLY if missing or set(outcomes) != {HOLDS} else REPRODUCED
    return NOT_EXAMINED if missing or not outcomes else NOT_REPRODUCED


def all_verdicts(kept: Mapping[str, Mapping] | None = None) -> dict[str, Verdict]:
    """The verdicts on all claims, in the order of ``claims.yml``."""
    kept = records.load_all() if kept is None else kept
    return {name: verdict(name, kept) for name in claim_list.load().claims}


def measured(found: Mapping[str, Any], digits: int = 3) -> str:
    """A finding's value in words: convention, mean, 95% interval, number of seeds."""
    value = f"{found['mean']:.{digits}g}"
    if "low" in found:
        value += f" [{found['low']:.{digits}g}, {found['high']:.{digits}g}]"
    convention = f"{found['convention']}: " if found["convention"] else ""
    return f"{convention}{value}, {found['count']} seed" + ("s" if found["count"] > 1 else "")
