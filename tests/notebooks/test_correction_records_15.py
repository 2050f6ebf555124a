"""What chapter 15 says in prose of its two records, held against their rows by other code."""

from statistics import mean

import pytest

from unlearning.companion import record

CORRECTIONS = record.load("features-and-labels-corrections")
ADULT = record.load("features-and-labels-corrections-adult")
SEEDS = [42, 930, 124, 114514, 3407, 5, 1]
ALLOWED = CORRECTIONS["parameters"]["allowed_loss"]


def rows(kept, **wanted):
    return [r for r in kept["values"] if all(r.get(key) == value for key, value in wanted.items())]


@pytest.mark.parametrize("kept", [CORRECTIONS, ADULT], ids=["corrections", "adult"])
def test_the_records_have_the_published_seeds_and_clean_commits(kept):
    assert kept["parameters"]["seeds"] == SEEDS
    assert "+" not in kept["commit"], "recorded with uncommitted changes"


@pytest.mark.parametrize(
    ("change", "restricted", "cut"), [("labels", 34, -3), ("features", 72, 24)]
)
def test_what_a_tenth_of_the_weights_wins(change, restricted, cut):
    found = rows(CORRECTIONS, change=change, rule="largest_diagonal", share=0.1)
    assert len(found) == len(SEEDS)
    for part, points in (("restricted", restricted), ("cut", cut)):
        assert 100 * mean(r[f"gain, {part}"] for r in found) == pytest.approx(points, abs=0.5)


def of_model(name, **wanted):
    return [r for r in rows(CORRECTIONS, model=name, **wanted) if "certain" in r]


def picked(order):
    """Of each seed: the correction with the cheapest digits, and the strongest one allowed."""
    for seed in SEEDS:
        (before,) = of_model("do nothing", seed=seed)
        tried = of_model(f"{order} order", seed=seed)
        allowed = [r for r in tried if r["validation"] >= before["validation"] - ALLOWED]
        strongest = max if order == "first" else min
        yield (
            min(tried, key=lambda r: r["corrected"]),
            strongest(allowed, key=lambda r: r["setting"]),
        )


def certain(found):
    return mean(r["certain"] for r in found)


def test_the_exposure_that_is_certain_of_the_references():
    assert certain(of_model("do nothing")) == pytest.approx(31.9, abs=0.05)
    assert certain(of_model("fine-tune")) == pytest.approx(24.5, abs=0.05)
    assert mean(r["high"] for r in of_model("exact retrain")) == pytest.approx(1.1, abs=0.05)


@pytest.mark.parametrize(
    ("order", "least", "strongest"), [("first", 28.3, 23.8), ("second", 25.5, 14.1)]
)
def test_the_exposure_that_is_certain_of_corrections(order, least, strongest):
    ends = list(zip(*picked(order), strict=True))
    assert [certain(end) for end in ends] == pytest.approx([least, strongest], abs=0.05)


def test_what_the_strongest_second_order_costs():
    lost = mean(r["accuracy"] for r in of_model("do nothing")) - mean(
        strongest["accuracy"] for _, strongest in picked("second")
    )
    assert 100 * lost == pytest.approx(1.7, abs=0.05)


def of_way(way, column, k=None):
    found = [r for r in ADULT["values"] if r.get("way") == way and r.get(column) is not None]
    return [r[column] for r in found if k in (None, r.get("k"))]


@pytest.mark.parametrize("k", ADULT["parameters"]["removed"])
def test_efficacy_on_adult(k):
    nothing, first, second = (
        mean(of_way(way, "residual", k)) for way in ("do nothing", "first order", "second order")
    )
    assert 0.035 <= second / nothing < 0.05
    assert 0.5 <= first / nothing < 0.655


def test_fidelity_on_adult():
    assert mean(of_way("second order", "error")) == pytest.approx(0.04, abs=0.005)
    assert mean(of_way("first order", "error")) == pytest.approx(0.5, abs=0.05)
    by_k = [mean(of_way("first order", "pearson", k)) for k in ADULT["parameters"]["removed"]]
    assert min(by_k) == pytest.approx(0.89, abs=0.005)


def test_certification_on_adult():
    found = [r for r in ADULT["values"] if r.get("scale") and r["way"] == "second order"]
    above = {
        scale: [r["above"] for r in found if r["scale"] == scale]
        for scale in ("mean", "largest", "bound")
    }
    assert {len(models) for models in above.values()} == {140}
    assert [sum(models) for models in above.values()] == [103, 78, 2]
    noisy = mean(r["accuracy"] for r in found if r["scale"] == "bound")
    assert noisy == pytest.approx(0.52, abs=0.005)
    k = ADULT["parameters"]["n_noise"]
    assert mean(of_way("do nothing", "accuracy", k)) == pytest.approx(0.74, abs=0.005)
