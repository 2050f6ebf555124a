"""What chapter 17 says in prose about its recorded networks, held against the records."""

from statistics import mean, median

import pytest

from unlearning.companion import record

KEPT = {
    "mlp": record.load("largest-or-smallest-selection-mnist"),
    "cnn": record.load("largest-or-smallest-selection-mnist-cnn"),
}
NETWORKS, ORDERS = tuple(KEPT), {"first": 1, "second": 2}


def found(net, claim, criterion):
    """Outcome, mean and ends of the interval of one criterion."""
    (f,) = (
        f
        for f in KEPT[net]["findings"]
        if (f["claim"], f["criterion"]) == (f"saps-sentence-{claim}", f"{criterion}-{net}")
    )
    return f["outcome"], f["mean"], f["low"], f["high"]


def points(net, order, rule, share):
    """Points won back, mean over the seeds, dead weights left out."""
    rows = [
        r
        for r in KEPT[net]["values"]
        if (r["part"], r.get("order"), r.get("rule"), r.get("share"), r.get("with dead"))
        == ("correction", ORDERS[order], rule, share, False)
    ]
    assert len(rows) == 7
    return mean(r["points"] for r in rows)


@pytest.mark.parametrize("net", NETWORKS)
def test_the_record_has_the_published_seeds_and_a_clean_commit(net):
    assert KEPT[net]["parameters"]["seeds"] == [42, 930, 124, 114514, 3407, 5, 1]
    assert "+" not in KEPT[net]["commit"], "recorded with uncommitted changes"


@pytest.mark.parametrize(
    ("net", "order", "gap", "at_equal_length"),
    [
        ("mlp", "first", 3.4, 3.0),
        ("mlp", "second", 8.0, 5.8),
        ("cnn", "first", 7.8, 7.7),
        ("cnn", "second", 9.7, 10.3),
    ],
)
def test_the_direction_is_clear(net, order, gap, at_equal_length):
    outcome, value, _, _ = found(net, f"largest-{order}", "smallest")
    assert outcome == "holds"
    assert value == pytest.approx(gap, abs=0.05)
    outcome, value, _, _ = found(net, f"largest-{order}", "length-smallest")
    assert outcome == "holds"
    assert value == pytest.approx(at_equal_length, abs=0.05)
    assert found(net, f"smallest-{order}", "random")[0] == "fails"


def test_better_than_chance_on_the_mlp():
    outcome, *numbers = found("mlp", "largest-second", "random")
    assert outcome == "holds"
    assert numbers == pytest.approx([1.8, 0.2, 3.4], abs=0.05)
    outcome, *numbers = found("mlp", "largest-first", "random")
    assert outcome == "undecided"
    assert numbers == pytest.approx([0.5, -1.0, 2.1], abs=0.05)
    assert found("mlp", "largest-second", "length-random")[0] == "undecided"


@pytest.mark.parametrize(
    ("order", "gap", "at_equal_length", "each_tensor", "at_one_per_cent"),
    [("first", 4.0, 4.6, 1.4, 5.8), ("second", 4.3, 6.1, 1.8, 5.7)],
)
def test_better_than_chance_on_the_cnn(order, gap, at_equal_length, each_tensor, at_one_per_cent):
    wanted = {"random": gap, "length-random": at_equal_length, "layer": each_tensor}
    for criterion, value in wanted.items():
        outcome, measured, _, _ = found("cnn", f"largest-{order}", criterion)
        assert outcome == "holds"
        assert measured == pytest.approx(value, abs=0.05)
    lead = {
        share: points("cnn", order, "largest_diagonal", share)
        - points("cnn", order, "random", share)
        for share in (0.01, 0.05, 0.1, 0.5)
    }
    assert max(lead, key=lead.get) == 0.01
    assert lead[0.01] == pytest.approx(at_one_per_cent, abs=0.05)
    assert lead[0.5] < 0.5


@pytest.mark.parametrize(
    ("order", "last", "everything"), [("first", 14.4, 9.9), ("second", 18.2, 14.0)]
)
def test_what_does_best_on_the_cnn(order, last, everything):
    assert points("cnn", order, "last_layer", 1.0) == pytest.approx(last, abs=0.05)
    assert points("cnn", order, "all", 1.0) == pytest.approx(everything, abs=0.05)
    ahead = [
        points("cnn", order, "largest_gradient", share)
        - points("cnn", order, "largest_diagonal", share)
        for share in (0.01, 0.05, 0.1, 0.5)
    ]
    assert min(ahead) > (0 if order == "second" else -0.5)


def test_what_the_propositions_leave_out_on_the_cnn():
    rows = [r for r in KEPT["cnn"]["values"] if r.get("control") == "learned"]
    assert median(r["q"] for r in rows) == pytest.approx(17_000, rel=0.02)
    quotients = [r["|grad F| / |G|"] for r in rows]
    assert min(quotients) == pytest.approx(0.25, abs=0.05)
    assert max(quotients) == pytest.approx(3, abs=0.5)
    retrained = [r["points"] for r in KEPT["cnn"]["values"] if r.get("control") == "exact retrain"]
    assert mean(retrained) == pytest.approx(31, abs=0.5)


@pytest.mark.parametrize(
    ("order", "chosen", "everything"), [("first", 4.4, 7.0), ("second", 3.5, 12.4)]
)
def test_the_chosen_rule_and_all_weights_on_the_mlp(order, chosen, everything):
    assert found("mlp", "subset", f"best-random-{order}")[1] == pytest.approx(chosen, abs=0.05)
    assert found("mlp", "subset", f"best-{order}")[0] == "undecided"
    assert points("mlp", order, "all", 1.0) == pytest.approx(everything, abs=0.05)


def test_where_the_lead_over_random_sets_comes_from_on_the_mlp():
    lead = [
        points("mlp", "second", "largest_diagonal", share)
        - points("mlp", "second", "random", share)
        for share in (0.01, 0.05, 0.1)
    ]
    assert lead == pytest.approx([3.9, 0.7, 0.7], abs=0.06)
    assert found("mlp", "largest-second", "layer")[0] == "undecided"
    largest = [
        r["in 3.weight"]
        for r in KEPT["mlp"]["values"]
        if (r.get("order"), r.get("rule"), r.get("share"), r.get("with dead"))
        == (2, "largest_diagonal", 0.01, False)
    ]
    assert mean(largest) > 0.5


@pytest.mark.parametrize(
    ("net", "order", "every", "above", "outcome"),
    [
        ("mlp", "first", 0.42, -0.13, "undecided"),
        ("mlp", "second", 0.81, -0.06, "undecided"),
        ("cnn", "first", 0.73, 0.38, "holds"),
        ("cnn", "second", 0.84, 0.47, "holds"),
    ],
)
def test_sharper_sets(net, order, every, above, outcome):
    said, value, _, _ = found(net, "sharpness", f"trace-{order}")
    assert said == "holds"
    assert value == pytest.approx(every, abs=0.005)
    said, value, _, _ = found(net, "sharpness", f"above-{order}")
    assert said == outcome
    assert value == pytest.approx(above, abs=0.006)
