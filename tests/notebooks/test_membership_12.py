"""What chapter 12 says in prose about its record of logistic regression, held against it."""

import pytest

from tests.notebooks.membership_kept import LINEAR, SEEDS, Kept
from tests.notebooks.membership_rows import membership_finding

KEPT = Kept("logistic")
finding, over, lira, change = KEPT.finding, KEPT.over, KEPT.lira, KEPT.change


@pytest.mark.parametrize("model", ["logistic", "cnn"])
def test_the_record_has_seeds_that_no_trial_had_seen_and_a_clean_commit(model):
    kept = Kept(model).record
    assert kept["parameters"]["seeds"] == SEEDS
    assert not {0, 1} & set(SEEDS)
    assert "+" not in kept["commit"], "recorded with uncommitted changes"


def test_the_attack_can_tell():
    assert lira("do nothing") == pytest.approx(0.71, abs=0.005)
    assert lira("retrain") == pytest.approx(0.49, abs=0.005)
    for way in ("retrain", "HF-OCU"):
        assert lira(way, "retained") == pytest.approx(0.72, abs=0.006)
    for control in ("caught", "intact"):
        assert finding("2-mia-l", f"{control}-logistic")["outcome"] == "holds"


def test_hf_ocu_leaves_an_eighth_of_few():
    few = {way: lira(way, m=50) for way in ("HF-OCU", "retrain", "do nothing")}
    above = few["HF-OCU"] - few["retrain"]
    assert above == pytest.approx(0.03, abs=0.005)
    assert above / (few["do nothing"] - few["retrain"]) == pytest.approx(1 / 8, abs=0.01)
    for way, area in (("HF-OCU", 0.69), ("retrain", 0.68)):
        assert over("auc", part="released one", way=way, step=1) == pytest.approx(area, abs=0.005)


def test_hf_ocu_leaves_a_quarter_of_many():
    left = finding("2-mia-l", "left-logistic")
    assert left["mean"] == pytest.approx(0.25, abs=0.01)
    assert [left["least"], left["greatest"]] == pytest.approx([0.22, 0.28], abs=0.006)
    assert lira("HF-OCU") == pytest.approx(0.55, abs=0.005)
    assert finding("2-mia-l", "near-logistic")["outcome"] == "fails"
    retrain, nothing = lira("retrain"), lira("do nothing")
    left = {
        way: (lira(way) - retrain) / (nothing - retrain) for way in ("jackknife", "NegGrad", "SAPS")
    }
    assert 0.25 < left["jackknife"] < 0.3
    assert lira("jackknife") == pytest.approx(lira("HF-OCU"), abs=0.01)
    assert [left["NegGrad"], left["SAPS"]] == pytest.approx([0.6, 0.6], abs=0.05)
    for way in ("Newton step", "fine-tune"):
        assert lira(way) == pytest.approx(lira("retrain"), abs=0.005)


@pytest.mark.parametrize(
    ("m", "same", "other"), [(1, 0.98, 0.69), (10, 0.93, 0.73), (300, 0.63, 0.61)]
)
def test_following_the_old_batches_gives_more_away(m, same, other):
    assert change(m, "retrain") == pytest.approx(same, abs=0.006)
    assert change(m, "HF-OCU") == pytest.approx(change(m, "retrain"), abs=0.012)
    assert change(m, "other order") == pytest.approx(other, abs=0.006)


def test_the_linear_classifier_is_near_a_half_at_every_rate():
    areas = [change(m, **LINEAR) for m in KEPT.record["parameters"]["change_sizes"]]
    assert max(areas) < 0.56
    assert [areas[1], areas[-1]] == pytest.approx([0.55, 0.51], abs=0.0055)
    for half in ("linear-falls", "linear-guessing"):
        assert finding("5-logistic", half)["outcome"] == "holds"


def test_few_deletions_leak_more():
    assert finding("5-logistic", "falls")["outcome"] == "holds"
    assert finding("5-logistic", "guessing")["outcome"] == "fails"


def at_noise(sigma, seed):
    rows = KEPT.rows(part="noise", way="HF-OCU", sigma=sigma)
    return rows[SEEDS.index(seed)]


def test_what_noise_costs():
    assert finding("2-mia-u", "price-logistic")["mean"] == pytest.approx(0.0033, abs=0.001)
    lost = membership_finding(finding("2-mia-u", "price-low-logistic"), KEPT.values)
    *five, sixth = sorted(lost.values())
    assert min(five) > 0.01
    assert max(five) < 0.035
    assert sixth == pytest.approx(0.12, abs=0.005)
    noise = {"part": "noise", "way": "HF-OCU"}
    for level, accuracy in (("none", 0.87), ("calibrated", 0.65)):
        found = over("accuracy", **noise, level=level)
        assert found == pytest.approx(accuracy, abs=0.006)
    some = at_noise(0.016, seed=3407)
    assert some["two"] == pytest.approx(0.56, abs=0.005)


def test_the_large_shadows_are_blind():
    for way in ("do nothing", "HF-OCU", "retrain"):
        for step in (2, 3, 4):
            area = over("auc", part="released one", way=way, step=step)
            assert area == pytest.approx(0.51, abs=0.0055)


def test_the_placebo_and_the_released_curve():
    assert KEPT.released(10) == pytest.approx((0.94, 0.75), abs=0.006)
    assert KEPT.released(300) == pytest.approx((0.56, 0.55), abs=0.006)
    assert 0.5 < KEPT.placebo_share(20) < KEPT.placebo_share(10) < 0.6
    for m in (200, 300):
        assert KEPT.placebo_share(m) == pytest.approx(0.9, abs=0.06)


def test_many_runs():
    for way, area in (("do nothing", 0.71), ("HF-OCU", 0.52), ("retrain", 0.50)):
        assert over("auc", part="u-lira", way=way) == pytest.approx(area, abs=0.006)
    for way, nats in (("HF-OCU", 1.1), ("retrain", 0.6), ("do nothing", 4.5)):
        found = over("mean", part="klom", way=way, kind="forgotten")
        assert found == pytest.approx(nats, abs=0.06)
    for way, nats in (("HF-OCU", 3.0), ("retrain", 1.2)):
        found = over("95%", part="klom", way=way, kind="forgotten")
        assert found == pytest.approx(nats, abs=0.06)
    for kind in ("never", "retained"):
        assert over("mean", part="klom", way="HF-OCU", kind=kind) == pytest.approx(0.7, abs=0.05)
