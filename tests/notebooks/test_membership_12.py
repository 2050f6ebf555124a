"""What chapter 12 says in prose about its recorded run, held against the record."""

from statistics import mean

import pytest

from tests.notebooks.membership_rows import membership_finding
from unlearning.companion import record

KEPT = record.load("membership-inference-membership-logistic")
DECIDING = [42, 930, 124, 114514, 3407, 5]
FOREST = {"kind": "direct_diff", "classifier": "forest"}
LINEAR = {"kind": "direct_diff", "classifier": "linear"}


def finding(claim, criterion):
    (found,) = (
        f
        for f in KEPT["findings"]
        if (f["claim"], f["criterion"]) == (f"hfocu-figure-{claim}", criterion)
    )
    return found


def over(column, **wanted):
    """The mean over all rows with these entries."""
    found = [
        row[column]
        for row in KEPT["values"]
        if all(row.get(name) == value for name, value in wanted.items())
    ]
    assert len(found) == len(DECIDING)
    return mean(found)


def lira(way, question="forgotten", m=200):
    return over("auc", part="one", m=m, way=way, question=question, attack="online")


def change(m, way="HF-OCU", **classifier):
    return over("auc", part="two", m=m, way=way, **(classifier or FOREST))


def test_the_record_has_seeds_that_no_trial_had_seen_and_a_clean_commit():
    assert KEPT["parameters"]["seeds"] == DECIDING
    assert not {0, 1} & set(DECIDING)
    assert "+" not in KEPT["commit"], "recorded with uncommitted changes"


def test_the_attack_can_tell():
    assert lira("do nothing") == pytest.approx(0.71, abs=0.005)
    assert lira("retrain") == pytest.approx(0.49, abs=0.005)
    for way in ("retrain", "HF-OCU"):
        assert lira(way, "retained") == pytest.approx(0.72, abs=0.006)
    for control in ("caught", "intact"):
        assert finding("2-mia-l", f"{control}-logistic")["outcome"] == "holds"


def test_hf_ocu_leaves_a_quarter():
    left = finding("2-mia-l", "left-logistic")
    assert left["mean"] == pytest.approx(0.25, abs=0.01)
    assert [left["least"], left["greatest"]] == pytest.approx([0.22, 0.28], abs=0.006)
    assert lira("HF-OCU") == pytest.approx(0.55, abs=0.005)
    assert finding("2-mia-l", "near-logistic")["outcome"] == "fails"
    assert lira("jackknife") == pytest.approx(lira("HF-OCU"), abs=0.01)
    for way in ("Newton step", "fine-tune"):
        assert lira(way) == pytest.approx(lira("retrain"), abs=0.005)


@pytest.mark.parametrize(
    ("m", "same", "other"), [(1, 0.97, 0.69), (10, 0.93, 0.73), (300, 0.64, 0.61)]
)
def test_most_of_what_an_update_gives_away_is_the_old_order(m, same, other):
    assert change(m, "retrain") == pytest.approx(same, abs=0.01)
    assert change(m, "HF-OCU") == pytest.approx(same, abs=0.01)
    assert change(m, "other order") == pytest.approx(other, abs=0.006)


def test_the_linear_classifier_is_near_a_half_at_every_rate():
    areas = [change(m, **LINEAR) for m in KEPT["parameters"]["change_sizes"]]
    assert [min(areas), max(areas)] == pytest.approx([0.51, 0.55], abs=0.0055)


def test_few_deletions_leak_more():
    assert finding("5-logistic", "falls")["outcome"] == "holds"
    assert finding("5-logistic", "guessing")["outcome"] == "fails"


def test_what_noise_costs():
    assert finding("2-mia-u", "price-logistic")["mean"] == pytest.approx(0.0033, abs=0.001)
    values = KEPT["values"]
    lost = membership_finding(finding("2-mia-u", "price-low-logistic"), values)
    *five, sixth = sorted(lost.values())
    assert min(five) > 0.01
    assert max(five) < 0.035
    assert sixth == pytest.approx(0.12, abs=0.005)
    noise = {"part": "noise", "way": "HF-OCU"}
    lost = over("accuracy", **noise, level="none") - over("accuracy", **noise, level="calibrated")
    assert lost == pytest.approx(0.23, abs=0.02)


def test_the_large_shadows_are_blind():
    for way in ("do nothing", "HF-OCU", "retrain"):
        for step in (2, 3, 4):
            area = over("auc", part="released one", way=way, step=step)
            assert area == pytest.approx(0.51, abs=0.0055)


def released(m):
    """AUC of the released attack, and of its placebo."""
    last = over("auc", part="released two", m=m, way="HF-OCU", step=5)
    return last, over("auc", part="placebo", m=m, way="HF-OCU")


def test_the_placebo_and_the_released_curve():
    assert released(10) == pytest.approx((0.94, 0.75), abs=0.006)
    assert released(300) == pytest.approx((0.56, 0.55), abs=0.006)
    share = {
        m: (nothing - 0.5) / (last - 0.5)
        for m in (10, 20, 200, 300)
        for last, nothing in [released(m)]
    }
    assert 0.5 < share[20] < share[10] < 0.6
    assert min(share[200], share[300]) > 0.845


def test_many_runs():
    for way, area in (("HF-OCU", 0.52), ("retrain", 0.50)):
        assert over("auc", part="u-lira", way=way) == pytest.approx(area, abs=0.006)
    for way, nats in (("HF-OCU", 1.1), ("retrain", 0.6), ("do nothing", 4.5)):
        found = over("mean", part="klom", way=way, kind="forgotten")
        assert found == pytest.approx(nats, abs=0.06)
    for kind in ("never", "retained"):
        assert over("mean", part="klom", way="HF-OCU", kind=kind) == pytest.approx(0.65, abs=0.05)
