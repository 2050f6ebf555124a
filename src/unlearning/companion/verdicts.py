"""Verdicts: the state of each claim, read off the findings of records. Only records decide.

The run of a page is an illustration: it shows whether a criterion held there, and says so in other
words than a verdict.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from unlearning.companion import claims as claim_list
from unlearning.companion import record as records
from unlearning.companion.criteria import FAILS, HOLDS, judge

SET_ASIDE = {
    FAILS: "missed, but set aside: a control failed",
    HOLDS: "held, but set aside: a control failed",
}
REPRODUCED, PARTLY, NOT_REPRODUCED = "reproduced", "partly reproduced", "not reproduced"
OPEN, NOT_TESTABLE, NOT_EXAMINED = "left open", "not testable here", "not yet examined"
STATES = {
    REPRODUCED: "every criterion held in the setting of its protocol, over all of its seeds",
    PARTLY: "some criteria held; others failed, or their intervals leave the matter undecided",
    OPEN: "no criterion held, and not every one failed: intervals leave the matter undecided",
    NOT_REPRODUCED: "every criterion failed; those whose controls failed, too, are set aside",
    NOT_TESTABLE: "data, scale or a detail of the protocol is missing, or no run can decide it",
    claim_list.NOT_AT_HAND: "its wording is not at hand; our own proposition stands in its place",
    NOT_EXAMINED: "not all of its runs have been recorded yet",
}


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
        return self.state in (REPRODUCED, PARTLY, OPEN, NOT_REPRODUCED)


def verdict(claim: str, kept: Mapping[str, Mapping] | None = None) -> Verdict:
    """The verdict on a claim, from the records of its protocols.

    Args:
        claim: id of the claim.
        kept: the records by name; those in ``results/`` by default.
    """
    about = claim_list.load()[claim]
    if about.statement == claim_list.NOT_AT_HAND:
        return Verdict(about, claim_list.NOT_AT_HAND)
    found = _from_records(about, _records_for(about) if kept is None else kept)
    return replace(found, state=NOT_TESTABLE) if about.not_testable else found


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
            decisive = [f for f in mine if f["mode"] == criterion.mode and criterion.decides]
            found += decisive
            beside += [f for f in mine if f not in decisive]
            if decisive:
                names.append(record["name"])
            elif criterion.decides:
                missing.append(criterion.quantity + _why_not(record, protocol))
    found = [_with_controls(about, f, beside) for f in found]
    names = tuple(dict.fromkeys(names))
    stale = tuple(name for name in names if kept[name]["stale"])
    state = _state([f["outcome"] for f in found], len(missing))
    return Verdict(about, state, found, beside, names, stale, tuple(dict.fromkeys(missing)))


def _with_controls(about: claim_list.Claim, finding: dict, beside: list[dict]) -> dict[str, Any]:
    """The finding; what its controls do not bear out neither confirms nor refutes."""
    held = {f["criterion"] for f in beside if f["outcome"] == HOLDS}
    criterion, outcome = about.criterion(finding["criterion"]), finding["outcome"]
    controls = {*criterion.power, *(criterion.needs if outcome == FAILS else ())}
    aside = SET_ASIDE.get(outcome) if controls - held else None
    return finding | {"outcome": aside} if aside else finding


def _matching(record, claim: str, criterion, convention, protocol) -> list[dict[str, Any]]:
    """The record's findings on one criterion, if the run was the protocol's."""
    if record is None or _why_not(record, protocol):
        return []
    return [
        {**f, "record": record["name"], "outcome": judge(criterion, f), "limit": criterion.limit}
        for f in record["findings"]
        if (f["claim"], f["criterion"], f["convention"]) == (claim, criterion.id, convention)
        and f["quantity"] == criterion.quantity
        and set(f["seeds"]) == set(protocol.seeds)
    ]


def _why_not(record: Mapping[str, Any] | None, protocol: claim_list.Protocol) -> str:
    """Why a record decides nothing, to be said behind what is missing; empty if it may."""
    if record is None:
        return ""
    if "+" in record["commit"]:
        return " (the record was made with uncommitted changes)"
    given = record["parameters"]
    other = [name for name, value in protocol.published.items() if given.get(name) != value]
    return f" (the record has another {', '.join(other)})" if other else ""


def _state(outcomes: list[str], missing: int) -> str:
    if missing or not outcomes:
        return NOT_EXAMINED
    if HOLDS in outcomes:
        return REPRODUCED if set(outcomes) == {HOLDS} else PARTLY
    return NOT_REPRODUCED if set(outcomes) - {*SET_ASIDE.values()} == {FAILS} else OPEN


def all_verdicts(kept: Mapping[str, Mapping] | None = None) -> dict[str, Verdict]:
    """The verdicts on all claims, in the order of ``claims.yml``."""
    kept = records.load_all() if kept is None else kept
    return {name: verdict(name, kept) for name in claim_list.load().claims}


def measured(found: Mapping[str, Any], digits: int = 3) -> str:
    """A finding's value in words: convention, mean, 95% interval, and the seeds' extremes.

    Two seeds have no interval worth printing: it is 13 times as wide as they are apart.
    """
    convention = f"{found['convention']}: " if found["convention"] else ""
    value = f"{convention}{found['mean']:.{digits}g}"
    if found["count"] == 1:
        return f"{value}, 1 seed"
    if found["least"] == found["greatest"]:
        return f"{value}, the same for all {found['count']} seeds"
    if found["count"] > 2:
        value += f" [{found['low']:.{digits}g}, {found['high']:.{digits}g}]"
    ends = f"from {found['least']:.{digits}g} to {found['greatest']:.{digits}g}"
    return f"{value}, {found['count']} seeds {ends}"
