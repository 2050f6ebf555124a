"""What chapter 17 says in prose about its recorded network, held against the record."""

import pytest

from unlearning.companion import record

KEPT = record.load("largest-or-smallest-selection-mnist")


def found(claim, criterion):
    """Outcome, mean and ends of the interval of one criterion."""
    (f,) = (
        f
        for f in KEPT["findings"]
        if (f["claim"], f["criterion"]) == (f"saps-sentence-{claim}", f"{criterion}-mlp")
    )
    return f["outcome"], f["mean"], f["low"], f["high"]


def test_the_record_has_the_published_seeds_and_a_clean_commit():
    assert KEPT["parameters"]["seeds"] == [42, 930, 124, 114514, 3407, 5, 1]
    assert "+" not in KEPT["commit"], "recorded with uncommitted changes"


@pytest.mark.parametrize(
    ("order", "gap", "at_equal_length"), [("first", 3.4, 3.0), ("second", 8.0, 5.8)]
)
def test_the_direction_is_clear(order, gap, at_equal_length):
    outcome, mean, _, _ = found(f"largest-{order}", "smallest")
    assert outcome == "holds"
    assert mean == pytest.approx(gap, abs=0.05)
    outcome, mean, _, _ = found(f"largest-{order}", "length-smallest")
    assert outcome == "holds"
    assert mean == pytest.approx(at_equal_length, abs=0.05)
    assert found(f"smallest-{order}", "random")[0] == "fails"


def test_better_than_chance():
    outcome, *numbers = found("largest-second", "random")
    assert outcome == "holds"
    assert numbers == pytest.approx([1.8, 0.2, 3.4], abs=0.05)
    outcome, *numbers = found("largest-first", "random")
    assert outcome == "undecided"
    assert numbers == pytest.approx([0.5, -1.0, 2.1], abs=0.05)
    assert found("largest-second", "length-random")[0] == "undecided"


@pytest.mark.parametrize(("order", "gap", "rank"), [("first", 4.7, 0.41), ("second", 3.4, 0.81)])
def test_the_chosen_rule_and_the_sharper_sets(order, gap, rank):
    assert found("subset", f"best-random-{order}")[1] == pytest.approx(gap, abs=0.05)
    outcome, mean, _, _ = found("sharpness", f"trace-{order}")
    assert outcome == "holds"
    assert mean == pytest.approx(rank, abs=0.005)
