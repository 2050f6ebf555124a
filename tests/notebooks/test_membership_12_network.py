"""What chapter 12 says in prose about its record of the network, held against it."""

import pytest

from tests.notebooks.membership_kept import FOREST, LINEAR, SEEDS, Kept
from tests.notebooks.membership_rows import membership_finding

KEPT = Kept("cnn")
finding, over, lira, change = KEPT.finding, KEPT.over, KEPT.lira, KEPT.change


def left(way, m):
    """What is left of doing nothing's excess over retraining."""
    retrain = lira("retrain", m=m)
    return (lira(way, m=m) - retrain) / (lira("do nothing", m=m) - retrain)


def test_hf_ocu_leaves_a_sixth_of_few():
    assert lira("do nothing", m=50) == pytest.approx(0.60, abs=0.005)
    assert lira("retrain", m=50) == pytest.approx(0.50, abs=0.005)
    assert lira("HF-OCU", m=50) - lira("retrain", m=50) == pytest.approx(0.016, abs=0.0005)
    for way in ("HF-OCU", "retrain"):
        assert lira(way, "retained", m=50) == pytest.approx(0.60, abs=0.005)
    assert left("HF-OCU", 50) == pytest.approx(1 / 6, abs=0.015)
    assert left("NegGrad", 50) == pytest.approx(0.5, abs=0.02)


def test_of_many_it_stays_open():
    near = finding("2-mia-l", "near-cnn")
    assert near["outcome"] == "undecided"
    found = [near[name] for name in ("mean", "low", "high")]
    assert found == pytest.approx([0.015, 0.004, 0.026], abs=0.0005)
    assert finding("2-mia-l", "caught-cnn")["outcome"] == "holds"
    assert finding("2-mia-l", "intact-cnn")["outcome"] == "undecided"


@pytest.mark.parametrize(
    ("way", "forgotten", "retained"),
    [("retrain", 0.50, 0.60), ("HF-OCU", 0.52, 0.57), ("NegGrad", 0.52, 0.54)],
)
def test_what_is_displaced_as_a_whole(way, forgotten, retained):
    assert lira(way) == pytest.approx(forgotten, abs=0.0055)
    assert lira(way, "retained") == pytest.approx(retained, abs=0.0055)


def test_an_untrained_network_is_at_a_half():
    assert lira("untrained") == pytest.approx(0.50, abs=0.005)


def test_following_the_old_batches_gives_more_away():
    ways = ("retrain", "other order", "HF-OCU")
    few = [change(10, way) for way in ways]
    assert few == pytest.approx([0.64, 0.55, 0.69], abs=0.0055)
    for m in (50, 100, 200):
        assert abs(change(m) - change(m, "retrain")) < 0.0151
        assert change(m, "other order") < change(m, "retrain")
    assert change(300, "retrain") - change(300) == pytest.approx(0.03, abs=0.002)


def test_hf_ocu_gives_more_away_than_retraining_at_one_percent_in_most_seeds():
    wanted = {"part": "two", "m": 10, **FOREST}
    pairs = zip(KEPT.rows(way="HF-OCU", **wanted), KEPT.rows(way="retrain", **wanted), strict=True)
    assert sum(mine["auc"] > other["auc"] for mine, other in pairs) >= 5


def test_few_deletions_leak_more():
    assert change(300) == pytest.approx(0.52, abs=0.0055)
    for half in ("falls", "guessing"):
        assert finding("5-cnn", half)["outcome"] == "holds"
    for m in KEPT.record["parameters"]["change_sizes"]:
        assert 0.495 < change(m, **LINEAR) < 0.515


def test_what_noise_costs():
    price = finding("2-mia-u", "price-cnn")
    assert price["outcome"] == "undecided"
    lost = membership_finding(price, KEPT.values)
    *five, sixth = sorted(lost.values())
    assert [five[0], five[-1]] == pytest.approx([0.001, 0.011], abs=0.0005)
    assert sixth == pytest.approx(0.46, abs=0.005)


def test_what_one_reading_costs_in_the_sixth_seed():
    noise = {"part": "noise", "way": "HF-OCU"}
    place = SEEDS.index(114514)
    by = {s: KEPT.rows(**noise, sigma=s)[place] for s in (0.0, 0.008, 0.011, 0.016, 0.032, 0.064)}
    limit = (0.5 + by[0.0]["two"]) / 2
    assert [sigma for sigma, row in by.items() if row["two"] > limit] == [0.0, 0.032]
    assert by[0.032]["two"] == pytest.approx(0.54, abs=0.005)
    assert by[0.0]["accuracy"] - by[0.008]["accuracy"] == pytest.approx(0.005, abs=0.001)
    calibrated = over("accuracy", **noise, level="calibrated")
    assert calibrated == pytest.approx(0.1, abs=0.01)


def test_the_placebo_and_the_released_curve():
    assert KEPT.released(10) == pytest.approx((0.76, 0.70), abs=0.006)
    assert KEPT.released(300) == pytest.approx((0.55, 0.54), abs=0.006)
    for m in (10, 50):
        assert KEPT.placebo_share(m) == pytest.approx(0.75, abs=0.03)
    for m in (200, 300):
        assert KEPT.placebo_share(m) == pytest.approx(1, abs=0.05)


def test_the_rows_of_the_fit_decide():
    effects = {e["subject"]: e for e in KEPT.record["effects"]}
    fit = effects.pop("hfocu-miau-in-sample")
    assert fit["without"]["mean"] == pytest.approx(0.51, abs=0.005)
    assert fit["with"]["mean"] == pytest.approx(0.63, abs=0.005)
    assert max(abs(e["change"]["mean"]) for e in effects.values()) < 0.03
    assert {e["change"]["count"] for e in effects.values()} == {len(SEEDS)}
