"""Verdicts: from records only, over all published seeds, as the criteria say."""

import math

import pytest

from unlearning.companion import claims, criteria, verdicts

SEEDS = [42, 930, 124, 114514, 3407, 5, 1]
DISTANCE, LOSSES = "hfocu-figure-1a-distance", "hfocu-figure-1a-loss-changes"
NAME = "verification-mnist-logistic"


def over(*values, seeds=SEEDS):
    """The values in turn, for each seed."""
    return {seed: values[i % len(values)] for i, seed in enumerate(seeds)}


def distance(value, convention, **more):
    return criteria.finding(
        DISTANCE, "share", over(value, value * 1.01), convention=convention, **more
    )


def kept(*findings, stale=()):
    return {NAME: {"name": NAME, "findings": list(findings), "stale": list(stale)}}


def state(*findings, claim=DISTANCE):
    return verdicts.verdict(claim, kept(*findings)).state


ALL = [distance(0.4, convention) for convention in ("R1", "R2", "R3")]


def test_a_finding_says_what_was_measured_and_against_what():
    found = criteria.finding(DISTANCE, "share", over(0.4, 0.5), convention="R1")
    assert found["mean"] == pytest.approx(3.1 / 7)  # four times 0.4, three times 0.5
    spread = math.sqrt(((0.4 - 3.1 / 7) ** 2 * 4 + (0.5 - 3.1 / 7) ** 2 * 3) / 6 / 7)
    assert found["high"] - found["mean"] == pytest.approx(2.4469 * spread, rel=1e-4)  # t, 6 df
    assert found["seeds"] == SEEDS
    assert (found["limit"], found["outcome"]) == ("below 1", "holds")


@pytest.mark.parametrize(
    ("values", "outcome"),
    [((0.9, 0.8), "holds"), ((1.2, 1.1), "fails"), ((0.9, 1.1), "undecided"), ((1, 1), "fails")],
)
def test_the_whole_interval_decides(values, outcome):
    found = criteria.finding(DISTANCE, "share", over(*values), convention="R1")
    assert found["outcome"] == outcome


def test_limits_from_below_are_mirrored():
    for values, outcome in (
        ((0.95, 0.97), "holds"),
        ((0.5, 0.6), "fails"),
        ((0.8, 1), "undecided"),
    ):
        found = criteria.finding(LOSSES, "slope", over(*values), convention="R1")
        assert (found["limit"], found["outcome"]) == ("above 0.9", outcome)


def test_one_seed_decides_nothing():
    found = criteria.finding(DISTANCE, "share", {42: 0.1}, convention="R1")
    assert found["outcome"] == "undecided"
    assert "low" not in found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"claim": "hfocu-figure-99"}, "claim: expected one of"),
        ({"criterion": "slope"}, "criterion: expected one of share, got 'slope'"),
        ({"convention": None}, "convention: expected one of"),
        ({"mode": "as_hoped"}, "mode: expected one of as_specified, as_released"),
        ({"by_seed": {}}, "values: expected at least one number"),
        ({"by_seed": {1: math.nan}}, "values: expected at least one number, all finite"),
    ],
)
def test_a_finding_that_no_criterion_asks_for_is_refused(change, message):
    good = {"claim": DISTANCE, "criterion": "share", "by_seed": over(0.4), "convention": "R1"}
    with pytest.raises(ValueError, match=message):
        criteria.finding(**{**good, **change})


def test_states():
    assert state(*ALL) == "reproduced"
    assert state() == "not yet examined"
    assert verdicts.verdict(DISTANCE, {}).state == "not yet examined"
    assert state(*ALL[:2]) == "partly reproduced"  # R3 waits for its run
    assert state(*ALL[:2], distance(1.5, "R3")) == "partly reproduced"
    assert state(*(distance(1.5, c) for c in ("R1", "R2", "R3"))) == "not reproduced"
    assert state(distance(1.5, "R1")) == "not yet examined"  # two wait, and none holds


def test_released_code_is_shown_beside_and_does_not_decide():
    released = distance(1.5, "R1", mode="as_released")
    found = verdicts.verdict(DISTANCE, kept(*ALL, released))
    assert (found.state, len(found.beside)) == ("reproduced", 1)
    assert state(released) == "not yet examined"


def test_a_run_that_leaves_out_a_published_seed_is_an_illustration():
    few = [
        criteria.finding(DISTANCE, "share", over(0.4, 0.5, seeds=SEEDS[:3]), convention=c)
        for c in ("R1", "R2", "R3")
    ]
    assert state(*few) == "not yet examined"


def test_the_limit_of_today_decides_not_the_one_that_was_written_down():
    generous = [{**f, "mean": 2, "low": 1.9, "high": 2.1, "outcome": "holds"} for f in ALL]
    assert state(*generous) == "not reproduced"


def test_a_stale_record_is_named():
    found = verdicts.verdict(DISTANCE, kept(*ALL, stale=["base/checks.py"]))
    assert found.stale == (NAME,)


def test_states_that_need_no_record():
    assert verdicts.verdict("hfocu-lemma-3", {}).state == "statement not at hand"
    assert verdicts.verdict("hfocu-definition-1", {}).state == "not testable here"


def test_every_claim_has_one_of_the_states():
    found = verdicts.all_verdicts()
    assert list(found) == list(claims.load().claims)
    assert {v.state for v in found.values()} <= set(verdicts.STATES)


def test_records_say_what_is_read_off_them():
    """What a committed record wrote down agrees with the criteria of today."""
    for found in verdicts.all_verdicts().values():
        for f in found.findings:
            criterion = found.claim.criterion(f["criterion"])
            record = verdicts.records.load(f["record"])
            written = [g for g in record["findings"] if g["quantity"] == criterion.quantity]
            assert written, f"{found.claim.id}: record {f['record']} again"
            assert {g["limit"] for g in written} == {criterion.limit}
