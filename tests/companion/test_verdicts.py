"""Verdicts: from records of a protocol only, over all published seeds, as the criteria say."""

import functools
import math
from dataclasses import replace

import pytest

from unlearning.companion import claims, criteria, verdicts

SEEDS = [42, 930, 124, 114514, 3407, 5, 1]
DISTANCE, LOSSES = "hfocu-figure-1a-distance", "hfocu-figure-1a-loss-changes"
PROTOCOL = claims.load().protocols["verification-logistic"]
NAME = "verification-mnist-logistic"
CONVENTIONS = ("R1", "R2", "R3")
INTERVAL = claims.Criterion("x", "a quantity", "p", below=1.0)


def over(*values, seeds=SEEDS):
    """The values in turn, for each seed."""
    return {seed: values[i % len(values)] for i, seed in enumerate(seeds)}


def distance(value, convention, **more):
    by_seed = over(value, value * 1.01)
    return criteria.finding(DISTANCE, "share", by_seed, convention=convention, **more)


def kept(*findings, stale=(), commit="abc", **parameters):
    about = {"name": NAME, "commit": commit, "stale": list(stale)}
    about["parameters"] = PROTOCOL.published | parameters
    return {NAME: about | {"findings": list(findings)}}


def state(*findings, claim=DISTANCE, **more):
    return verdicts.verdict(claim, kept(*findings, **more)).state


ALL = [distance(0.4, convention) for convention in CONVENTIONS]


def test_a_finding_says_what_was_measured_and_against_what():
    found = criteria.finding(DISTANCE, "share", over(0.4, 0.5), convention="R1")
    assert found["mean"] == pytest.approx(3.1 / 7)  # four times 0.4, three times 0.5
    spread = math.sqrt(((0.4 - 3.1 / 7) ** 2 * 4 + (0.5 - 3.1 / 7) ** 2 * 3) / 6 / 7)
    assert found["high"] - found["mean"] == pytest.approx(2.4469 * spread, rel=1e-4)  # t, 6 df
    assert (found["least"], found["greatest"]) == (0.4, 0.5)
    assert found["seeds"] == SEEDS
    assert (found["limit"], found["outcome"]) == ("below 1 for every seed", "holds")


@pytest.mark.parametrize(
    ("values", "outcome"),
    [((0.9, 0.8), "holds"), ((1.2, 1.1), "fails"), ((0.9, 1.1), "undecided"), ((1, 1), "fails")],
)
def test_the_whole_interval_decides(values, outcome):
    assert criteria.judge(INTERVAL, criteria.summary(over(*values))) == outcome


def test_limits_from_below_are_mirrored():
    mirrored = replace(INTERVAL, below=None, above=0.9)
    cases = (((0.95, 0.97), "holds"), ((0.5, 0.6), "fails"), ((0.8, 1), "undecided"))
    for values, outcome in cases:
        assert criteria.judge(mirrored, criteria.summary(over(*values))) == outcome


def test_where_every_seed_is_asked_for_one_is_enough_against_it():
    every = replace(INTERVAL, every_seed=True)
    values = over(0.4) | {42: 1.02}
    assert criteria.summary(values)["high"] < 1
    assert criteria.judge(every, criteria.summary(values)) == "fails"
    assert criteria.judge(every, criteria.summary(over(0.4))) == "holds"


def test_the_interval_of_correlations_stays_below_one():
    values = over(0.98, 0.9999, 0.6)
    assert criteria.summary(values)["high"] > 1
    found = criteria.summary(values, correlation=True)
    z = [math.atanh(value) for value in values.values()]
    assert found["mean"] == pytest.approx(math.tanh(sum(z) / 7))
    assert found["low"] < found["mean"] < found["high"] < 1
    assert criteria.summary(over(1.0), correlation=True)["mean"] == pytest.approx(1)


def test_one_seed_decides_nothing():
    found = criteria.finding(DISTANCE, "share", {42: 0.1}, convention="R1")
    assert found["outcome"] == "undecided"
    assert "low" not in found


def test_two_seeds_are_told_by_their_range():
    """Their interval is 13 times as wide as they are apart: it says nothing."""
    two = criteria.finding(DISTANCE, "share", {42: 0.1, 930: 0.3}, convention="R1")
    assert verdicts.measured(two) == "R1: 0.2, 2 seeds from 0.1 to 0.3"
    three = criteria.finding(DISTANCE, "share", {42: 0.1, 930: 0.3, 1: 0.2}, convention="R1")
    assert verdicts.measured(three).startswith("R1: 0.2 [")


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


def test_an_effect_is_paired_by_seed():
    found = criteria.effect("e", "q", "s", over(1, 2, 4), over(0.5, 1.5, 3.5))
    assert (found["change"]["least"], found["change"]["greatest"]) == (0.5, 0.5)
    assert found["change"]["high"] - found["change"]["low"] < 1e-12
    with pytest.raises(ValueError, match="without_it: expected the seeds of with_it"):
        criteria.effect("e", "q", "s", {1: 0.0}, {2: 0.0})


def test_states():
    assert state(*ALL) == "reproduced"
    assert state() == "not yet examined"
    assert verdicts.verdict(DISTANCE, {}).state == "not yet examined"
    assert state(*ALL[:2], distance(1.5, "R3")) == "partly reproduced"
    assert state(*(distance(1.5, c) for c in CONVENTIONS)) == "not reproduced"


def test_before_all_runs_are_in_there_is_no_verdict_but_what_there_is_shows():
    for first in (0.4, 1.5):
        found = verdicts.verdict(DISTANCE, kept(distance(first, "R1")))
        assert found.state == "not yet examined"
        assert len(found.findings) == len(found.missing) == 1


def test_an_undecided_interval_is_neither_confirmed_nor_refuted():
    wide = [
        criteria.finding(LOSSES, "correlation", over(0.7, 0.95), convention=c) for c in CONVENTIONS
    ]
    assert {f["outcome"] for f in wide} == {"undecided"}
    assert state(*wide, claim=LOSSES) == "left open"


@pytest.mark.parametrize(
    ("first", "others", "expected"),
    [
        ((0.95,), (0.5,), "partly reproduced"),
        ((0.95,), (0.7, 0.95), "partly reproduced"),
        ((0.7, 0.95), (0.5,), "left open"),
        ((0.5,), (0.5,), "not reproduced"),
    ],
)
def test_where_no_criterion_holds_a_claim_is_not_even_partly_so(first, others, expected):
    values = zip((first, others, others), CONVENTIONS, strict=True)
    found = [criteria.finding(LOSSES, "correlation", over(*v), convention=c) for v, c in values]
    assert state(*found, claim=LOSSES) == expected


def test_our_own_addition_is_shown_beside_and_does_not_decide():
    high = [criteria.finding(LOSSES, "correlation", over(0.95), convention=c) for c in CONVENTIONS]
    low = [criteria.finding(LOSSES, "slope", over(0.5), convention=c) for c in CONVENTIONS]
    found = verdicts.verdict(LOSSES, kept(*high, *low))
    assert (found.state, len(found.beside)) == ("reproduced", 3)


def test_released_code_is_shown_beside_and_does_not_decide():
    released = distance(1.5, "R1", mode="as_released")
    found = verdicts.verdict(DISTANCE, kept(*ALL, released))
    assert (found.state, len(found.beside)) == ("reproduced", 1)
    assert state(released) == "not yet examined"


def test_a_criterion_may_ask_for_the_released_code():
    claim = claims.load()[DISTANCE]
    asked = replace(claim.criteria[0], mode="as_released")
    released = [distance(1.5, convention, mode="as_released") for convention in CONVENTIONS]
    found = verdicts._from_records(replace(claim, criteria=(asked,)), kept(*ALL, *released))
    assert (found.state, len(found.beside)) == ("not reproduced", 3)


@pytest.mark.parametrize("seeds", [SEEDS[:3], [*SEEDS, 6]])
def test_only_the_published_seeds_count_no_fewer_and_no_more(seeds):
    other = [
        criteria.finding(DISTANCE, "share", over(0.4, 0.5, seeds=seeds), convention=c)
        for c in CONVENTIONS
    ]
    assert state(*other) == "not yet examined"


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"commit": "abc+changes"}, "made with uncommitted changes"),
        ({"n_train": 100}, "has another n_train"),
        ({"forget_sizes": [10]}, "has another forget_sizes"),
    ],
)
def test_a_run_that_is_not_the_protocols_decides_nothing(more, reason):
    found = verdicts.verdict(DISTANCE, kept(*ALL, **more))
    assert found.state == "not yet examined"
    assert reason in found.missing[0]


def test_a_finding_on_another_quantity_does_not_count():
    assert state(*({**f, "quantity": "something else"} for f in ALL)) == "not yet examined"


def test_the_limit_of_today_decides_not_the_one_that_was_written_down():
    generous = [{**f, "least": 1.9, "greatest": 2.1, "outcome": "holds"} for f in ALL]
    assert state(*generous) == "not reproduced"


def test_a_stale_record_is_named():
    found = verdicts.verdict(DISTANCE, kept(*ALL, stale=["base/checks.py"]))
    assert found.stale == (NAME,)


def test_states_that_need_no_record():
    assert verdicts.verdict("hfocu-lemma-3", {}).state == "statement not at hand"
    assert verdicts.verdict("hfocu-definition-1", {}).state == "not testable here"


def test_what_no_run_decides_shows_its_checks_beside():
    claim = "saps-sentence-second-order"
    about = claims.load()[claim]
    protocol = claims.load().protocols["restricted-quadratic"]
    assert about.not_testable
    gaps = criteria.finding(claim, "restricted-gap", over(-13.0, -12.5))
    record = {"name": claims.record_of(protocol), "commit": "abc", "stale": []}
    record |= {"parameters": protocol.published, "findings": [gaps]}
    found = verdicts.verdict(claim, {record["name"]: record})
    assert (found.state, found.findings, found.missing) == ("not testable here", [], ())
    assert [f["outcome"] for f in found.beside] == ["holds"]


def with_controls(lines, controls):
    """The state of a claim whose lines have controls: all lines like this, but those named."""
    claim = "saps-sentence-robust"
    about = claims.load()[claim]
    protocol = claims.load().protocols["relearning-mnist"]
    found = []
    for criterion in about.criteria:
        if criterion.decides:
            values = lines.get(criterion.id, lines["all"])
        else:
            values = controls.get(criterion.id, controls["all"])
        found.append(criteria.finding(claim, criterion.id, over(*values, seeds=protocol.seeds)))
    record = {"name": claims.record_of(protocol), "commit": "abc", "stale": []}
    record |= {"parameters": protocol.published, "findings": found}
    return verdicts.verdict(claim, {record["name"]: record})


def test_a_miss_whose_control_fails_is_set_aside():
    seven = [0.0] * 7
    missed, held = {"all": seven}, {"all": [1.0] * 7}
    assert with_controls(missed, held).state == "not reproduced"
    power = "power-labels-first"
    some = with_controls(missed, held | {power: seven})
    assert some.state == "not reproduced"
    aside = {f["criterion"] for f in some.findings if f["outcome"] != "fails"}
    assert aside == {"labels-first-all", "labels-first-random"}
    assert with_controls(missed, {"all": seven}).state == "left open"
    resists = {"all": seven, "labels-first-all": [-0.02] * 7}
    assert with_controls(resists, {"all": seven}).state == "partly reproduced"
    assert with_controls({"all": [-0.02] * 7}, {"all": seven}).state == "reproduced"


def attacks_found(near, caught, intact):
    """The verdict on MIA-L from six seeds of each model with these values."""
    claim, seeds = "hfocu-figure-2-mia-l", [42, 930, 124, 114514, 3407, 5]
    given = {"near": near, "caught": caught, "intact": intact}
    kept_records = {}
    for model in ("logistic", "cnn"):
        protocol = claims.load().protocols[f"membership-{model}"]
        found = [
            criteria.finding(claim, f"{name}-{model}", over(value, value * 1.001, seeds=seeds))
            for name, value in given.items()
        ]
        name = claims.record_of(protocol)
        kept_records[name] = {
            "name": name,
            "commit": "abc",
            "stale": [],
            "parameters": protocol.published,
            "findings": found,
        }
    return verdicts.verdict(claim, kept_records)


def test_without_its_controls_a_hit_is_set_aside_too():
    assert attacks_found(0.01, 0.7, 0.01).state == "reproduced"
    assert attacks_found(0.05, 0.7, 0.01).state == "not reproduced"
    for blind in (attacks_found(0.01, 0.52, 0.01), attacks_found(0.01, 0.7, 0.05)):
        assert blind.state == "left open"
        outcomes = {f["outcome"] for f in blind.findings}
        assert outcomes == {"held, but set aside: a control failed"}
    blind = attacks_found(0.05, 0.7, 0.05)
    assert {f["outcome"] for f in blind.findings} == {"missed, but set aside: a control failed"}
    assert blind.state == "left open"


def test_something_to_compare_in_five_of_seven_seeds():
    claim, name = "saps-sentence-robust", "compared-patch-first-all"
    for many in range(8):
        shares = over(*[1.0] * many, *[0.0] * (7 - many), seeds=range(7))
        held = criteria.finding(claim, name, shares)["outcome"] == "holds"
        assert held == (many >= 5)


def test_every_claim_has_one_of_the_states():
    found = verdicts.all_verdicts()
    assert list(found) == list(claims.load().claims)
    assert {v.state for v in found.values()} <= set(verdicts.STATES)


def test_records_say_what_is_read_off_them():
    """What a committed record wrote down agrees with the criteria of today."""
    load = functools.cache(verdicts.records.load)  # hashes the code each time
    for found in verdicts.all_verdicts().values():
        for f in found.findings:
            criterion = found.claim.criterion(f["criterion"])
            record = load(f["record"])
            written = [
                g
                for g in record["findings"]
                if (g["criterion"], g["quantity"]) == (criterion.id, criterion.quantity)
            ]
            assert written, f"{found.claim.id}: record {f['record']} again"
            assert {g["limit"] for g in written} == {criterion.limit}
