"""What chapter 12 says in prose about its record of the network, held against it."""

from statistics import mean

import pytest

from tests.notebooks.membership_kept import FOREST, LINEAR, SEEDS, Kept
from tests.notebooks.membership_rows import membership_finding
from unlearning import interval

KEPT = Kept("cnn")
finding, over, lira, change = KEPT.finding, KEPT.over, KEPT.lira, KEPT.change
NOISE = {"part": "noise", "way": "HF-OCU"}


def differences(first, second, **wanted):
    """AUC after one way of unlearning less that after another, seed by seed."""
    mine, other = (KEPT.rows(way=way, **wanted) for way in (first, second))
    return [row["auc"] - base["auc"] for row, base in zip(mine, other, strict=True)]


def above_retraining(way, m, question="forgotten"):
    wanted = {"part": "one", "m": m, "question": question, "attack": "online"}
    return differences(way, "retrain", **wanted)


def beyond_retraining(m, **classifier):
    return differences("HF-OCU", "retrain", part="two", m=m, **(classifier or FOREST))


def ends(values):
    found = interval(values)
    return [found.low, found.high]


def left(way, m):
    """What is left of doing nothing's excess over retraining."""
    return mean(above_retraining(way, m)) / mean(above_retraining("do nothing", m))


def test_hf_ocu_leaves_a_sixth_of_few():
    assert lira("do nothing", m=50) == pytest.approx(0.60, abs=0.005)
    assert lira("retrain", m=50) == pytest.approx(0.50, abs=0.005)
    excess = above_retraining("HF-OCU", 50)
    assert [mean(excess), *ends(excess)] == pytest.approx([0.016, 0.009, 0.023], abs=0.0006)
    for way in ("HF-OCU", "retrain"):
        assert lira(way, "retained", m=50) == pytest.approx(0.60, abs=0.005)
    assert left("HF-OCU", 50) == pytest.approx(1 / 6, abs=0.015)


def test_neg_grad_leaves_half_of_few_and_lowers_the_others():
    assert left("NegGrad", 50) == pytest.approx(0.5, abs=0.02)
    assert lira("NegGrad", "retained", m=50) == pytest.approx(0.58, abs=0.005)


def test_of_many_it_stays_open():
    near = finding("2-mia-l", "near-cnn")
    assert near["outcome"] == "undecided"
    found = [near[name] for name in ("mean", "low", "high")]
    assert found == pytest.approx([0.015, 0.004, 0.026], abs=0.0005)
    assert finding("2-mia-l", "caught-cnn")["outcome"] == "holds"
    assert finding("2-mia-l", "intact-cnn")["outcome"] == "undecided"


def test_the_excess_is_large_where_the_network_is_displaced_little():
    excess = above_retraining("HF-OCU", 200)
    fall = [-x for x in above_retraining("HF-OCU", 200, "retained")]
    assert min(fall) > 0
    little, much = (
        [x for x, down in zip(excess, fall, strict=True) if (down < 0.02) == small]
        for small in (True, False)
    )
    assert [len(little), len(much)] == [3, 3]
    assert [mean(little), mean(much)] == pytest.approx([0.024, 0.006], abs=0.0006)


@pytest.mark.parametrize(
    ("way", "forgotten", "retained"),
    [
        ("retrain", 0.50, 0.60),
        ("HF-OCU", 0.52, 0.57),
        ("NegGrad", 0.52, 0.54),
        ("fine-tune", 0.53, 0.59),
    ],
)
def test_what_is_displaced_as_a_whole(way, forgotten, retained):
    assert lira(way) == pytest.approx(forgotten, abs=0.0055)
    assert lira(way, "retained") == pytest.approx(retained, abs=0.0055)


def test_other_ways_at_many():
    assert lira("untrained") == pytest.approx(0.50, abs=0.005)
    assert mean(above_retraining("fine-tune", 200)) == pytest.approx(0.03, abs=0.005)
    wanted = {"part": "one", "m": 200, "question": "forgotten", "attack": "online"}
    low, high = ends(differences("NegGrad", "HF-OCU", **wanted))
    assert low < 0 < high


def test_following_the_old_batches_gives_more_away():
    ways = ("retrain", "other order", "HF-OCU")
    few = [change(10, way) for way in ways]
    assert few == pytest.approx([0.64, 0.55, 0.69], abs=0.0055)
    for m in (50, 100, 200, 300):
        assert change(m, "other order") < change(m, "retrain")
    others = [change(m, "other order") for m in KEPT.record["parameters"]["change_sizes"]]
    assert [min(others), max(others)] == pytest.approx([0.52, 0.55], abs=0.0055)


def test_hf_ocu_beside_the_retraining_that_it_imitates():
    few = beyond_retraining(10)
    assert [mean(few), *ends(few)] == pytest.approx([0.06, 0.01, 0.10], abs=0.006)
    assert ends(beyond_retraining(10, kind="sorted_diff", classifier="forest"))[0] > 0
    for kind in ("direct_diff", "sorted_diff", "direct_concat", "sorted_concat"):
        low, high = ends(beyond_retraining(10, kind=kind, classifier="linear"))
        assert low < 0 < high
    for m in (50, 100, 200):
        assert mean(beyond_retraining(m)) == pytest.approx(-0.01, abs=0.005)
        low, high = ends(beyond_retraining(m))
        assert low < 0 < high


def test_hf_ocu_gives_less_away_where_many_are_deleted():
    many = beyond_retraining(300)
    assert [mean(many), *ends(many)] == pytest.approx([-0.03, -0.05, -0.005], abs=0.004)
    for sorted_feature in (
        {"kind": "sorted_diff", "classifier": "linear"},
        {"kind": "sorted_diff", "classifier": "forest"},
        {"kind": "sorted_concat", "classifier": "linear"},
    ):
        assert ends(beyond_retraining(300, **sorted_feature))[1] < 0


def test_few_deletions_leak_more():
    assert change(300) == pytest.approx(0.52, abs=0.0055)
    assert change(300, "retrain") == pytest.approx(0.54, abs=0.0055)
    for half in ("falls", "guessing"):
        assert finding("5-cnn", half)["outcome"] == "holds"
    for m in KEPT.record["parameters"]["change_sizes"]:
        assert 0.495 < change(m, **LINEAR) < 0.515
    fall = finding("5-cnn", "linear-falls")
    found = [fall[name] for name in ("mean", "low", "high")]
    assert found == pytest.approx([0.01, -0.05, 0.06], abs=0.005)


def test_what_noise_costs():
    price = finding("2-mia-u", "price-cnn")
    assert price["outcome"] == "undecided"
    found = [price[name] for name in ("mean", "low", "high")]
    assert found == pytest.approx([0.08, -0.12, 0.28], abs=0.005)
    lost = membership_finding(price, KEPT.values)
    *five, sixth = sorted(lost.values())
    assert [five[0], five[-1]] == pytest.approx([0.001, 0.011], abs=0.0005)
    assert sixth == pytest.approx(0.46, abs=0.005)
    low = membership_finding(finding("2-mia-u", "price-low-cnn"), KEPT.values)
    assert max(low.values()) == pytest.approx(0.46, abs=0.005)
    assert max(low, key=low.get) != max(lost, key=lost.get)


def readings(seed):
    """AUC and accuracy at each level of noise, and the AUC that the price asks for."""
    levels = [0.0, *KEPT.record["parameters"]["noises"]]
    found = {sigma: KEPT.rows(**NOISE, sigma=sigma)[SEEDS.index(seed)] for sigma in levels}
    return found, (0.5 + found[0.0]["two"]) / 2


def test_what_one_reading_costs_in_the_sixth_seed():
    found, limit = readings(114514)
    assert limit == pytest.approx(0.536, abs=0.0006)
    above = [sigma for sigma, row in found.items() if row["two"] > limit]
    assert 0.0056 in above
    assert [sigma for sigma in above if sigma > 0.0056] == [0.032]
    assert found[0.032]["two"] == pytest.approx(0.54, abs=0.005)
    assert found[0.0]["accuracy"] - found[0.008]["accuracy"] == pytest.approx(0.005, abs=0.001)
    retrained = KEPT.rows(part="noise", way="retrain", sigma=0.032)[SEEDS.index(114514)]
    assert retrained["two"] == pytest.approx(0.53, abs=0.005)


def test_another_seed_stays_below_its_limit_by_little():
    found, limit = readings(124)
    down = [limit - row["two"] for sigma, row in found.items() if sigma > 0.0028]
    assert min(x for x in down if x > 0) == pytest.approx(0.002, abs=0.0005)


def test_noise_that_hides_the_distance_leaves_a_network_that_guesses():
    assert over("accuracy", **NOISE, level="calibrated") == pytest.approx(0.1, abs=0.01)


def test_the_placebo_and_the_released_curve():
    assert KEPT.released(10) == pytest.approx((0.76, 0.69), abs=0.005)
    assert KEPT.released(300) == pytest.approx((0.54, 0.54), abs=0.005)
    for m in (10, 50):
        assert KEPT.placebo_share(m) == pytest.approx(0.75, abs=0.03)
    for m in (200, 300):
        assert KEPT.placebo_share(m) == pytest.approx(1, abs=0.05)


def test_the_rows_of_the_fit_decide():
    effects = {e["subject"]: e for e in KEPT.record["effects"]}
    fit = effects.pop("hfocu-miau-in-sample")
    assert [fit[side]["mean"] for side in ("without", "with")] == pytest.approx(
        [0.51, 0.63], abs=0.005
    )
    assert max(abs(e["change"]["mean"]) for e in effects.values()) < 0.03
    dropout = effects["hfocu-miau-dropout"]
    assert [dropout[side]["mean"] for side in ("without", "with")] == pytest.approx(
        [0.61, 0.62], abs=0.005
    )
