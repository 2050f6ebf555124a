"""What chapter 09 says in prose about its record, held against the record itself."""

import math

import pandas as pd
import pytest

from unlearning.companion import record

PAPER = record.load("verification-mnist-logistic")
ROWS = pd.DataFrame(row for row in PAPER["values"] if "accuracy" in row)
FRAME = ROWS[ROWS["order"] == "fixed"]
R1 = FRAME[FRAME["convention"] == "R1"]


def means(column, method):
    return R1[R1["method"] == method].groupby("m")[column].mean()


def test_it_is_the_papers_setting_over_all_seeds():
    assert PAPER["parameters"]["seeds"] == [42, 930, 124, 114514, 3407, 5, 1]
    assert (PAPER["parameters"]["n_train"], PAPER["parameters"]["dataset"]) == (1000, "mnist")
    assert "+" not in PAPER["commit"], "recorded with uncommitted changes"


@pytest.mark.parametrize(
    ("m", "method", "measured_elsewhere"),
    [
        (50, "do nothing", 0.0837),
        (50, "HF-OCU as released", 0.0639),
        (200, "do nothing", 0.1817),
        (200, "HF-OCU as released", 0.1491),
    ],
)
def test_seed_42_agrees_with_another_implementation(m, method, measured_elsewhere):
    row = R1[(R1["seed"] == 42) & (R1["m"] == m) & (R1["method"] == method)]
    assert row["distance"].item() == pytest.approx(measured_elsewhere, abs=5e-5)


def test_left_panel():
    wide = FRAME.pivot_table("distance", ["convention", "seed", "m"], "method")
    assert len(wide) == 3 * 7 * 7
    assert bool((wide["HF-OCU"] < wide["do nothing"]).all())


def test_right_panel():
    assert bool((means("pearson forget", "HF-OCU") > 0.9).all())
    assert bool((means("slope forget", "HF-OCU") < 0.9).all())


def test_as_released_most_of_the_distance_stays():
    released, nothing = (means("distance", m) for m in ("HF-OCU as released", "do nothing"))
    assert bool((released / nothing > 0.5).all())
    wide = R1.pivot_table("distance", ["seed", "m"], "method")
    share = (wide["HF-OCU as released"] / wide["do nothing"]).groupby("seed").max()
    assert share.mean() == pytest.approx(0.86, abs=0.005)
    assert bool((means("slope forget", "HF-OCU as released") < 0.2).all())
    correlation = means("pearson forget", "HF-OCU as released")
    assert correlation.iloc[-1] < 0.5 < 0.9 < correlation.iloc[0]


def test_other_order_is_as_large_as_deleting_5_to_10_percent():
    order, nothing = (means("distance", m) for m in ("other order", "do nothing"))
    assert nothing[50] < order[50]
    assert order[100] < nothing[100]
    assert order.max() / order.min() < 1.5  # nearly flat


def test_clipping_each_sample_is_nearly_the_whole_effect():
    plain, one, all_of_them = (
        means("distance", m) for m in ("R2 sources", "and sample_clip", "HF-OCU as released")
    )
    assert bool(((one - plain) / (all_of_them - plain) > 0.9).all())


@pytest.mark.parametrize("name", ["Newton", "jackknife"])
def test_baselines_as_released_leave_the_model_where_it_is(name):
    released, nothing = (means("distance", m) for m in (f"{name} as released", "do nothing"))
    assert released.to_numpy() == pytest.approx(nothing.to_numpy(), abs=2e-4)
    slope = means("slope forget", f"{name} as released")
    assert slope.abs().max() < 1e-3


@pytest.mark.parametrize(
    ("m", "method", "measured_elsewhere"),
    [
        (50, "Newton, one-term", 0.0202),
        (50, "jackknife, one-term", 0.0243),
        (200, "Newton, one-term", 0.0527),
        (200, "jackknife, one-term", 0.0690),
        (50, "Newton whole step", 0.0664),
        (50, "Newton sum", 1.594),
        (200, "jackknife sum", 1.421),
    ],
)
def test_the_earlier_methods_agree_with_another_implementation(m, method, measured_elsewhere):
    row = R1[(R1["seed"] == 42) & (R1["m"] == m) & (R1["method"] == method)]
    assert row["distance"].item() == pytest.approx(measured_elsewhere, rel=2e-3)


def shares(order, convention):
    """Shares of HF-OCU and of the closer form of the Newton step: seeds and sizes."""
    here = ROWS[(ROWS["order"] == order) & (ROWS["convention"] == convention)]
    wide = here.pivot_table("distance", ["seed", "m"], "method")
    newton = wide[["Newton, one-term", "Newton, full"]].min(axis=1)
    return wide["HF-OCU"] / wide["do nothing"], newton / wide["do nothing"]


def test_what_newton_leaves_is_what_its_formula_does_not_see():
    pieces = pd.DataFrame(row for row in PAPER["values"] if "offset" in row)
    left = ROWS[ROWS["convention"] == "R2"].pivot_table(
        "distance", ["order", "seed", "m"], "method"
    )
    pieces = pieces.set_index(["order", "seed", "m"])
    whole = (left["Newton, full"] / pieces["offset"]).groupby(["order", "m"]).mean()
    assert whole.between(0.98, 1.1).all()
    change = (left["Newton, one-term"] / pieces["change of the offset"]).groupby("order").mean()
    assert change.between(1.0, 1.3).all()


def test_who_is_closer_turns_with_the_order_of_the_batches():
    for convention in ("R1", "R2", "R3"):
        ours, newton = shares("reshuffled", convention)
        gap = (ours - newton).unstack().mean()
        assert (gap.loc[50:] > 0).all()
    for convention in ("R1", "R2"):
        ours, newton = shares("fixed", convention)
        gap = (ours - newton).unstack().mean()
        assert (gap.loc[:200] < 0).all()
        assert (gap.loc[250:] > 0).all()


def test_the_jackknife_is_farther():
    wide = ROWS.pivot_table("distance", ["order", "convention", "seed", "m"], "method")
    other = wide[["jackknife, one-term", "jackknife, full"]].min(axis=1)
    closer = (wide["HF-OCU"] < other).groupby("order").mean()
    assert closer["fixed"] == 1.0
    assert closer["reshuffled"] > 0.98


def test_slopes():
    assert means("slope forget", "Newton, one-term").between(0.85, 1.05).all()
    assert (means("slope forget", "jackknife, one-term") < 0.9).all()


def test_another_order_moves_less_where_each_epoch_has_its_own():
    wide = ROWS[ROWS["convention"] == "R1"].pivot_table("distance", ["order", "m"], "method")
    assert (wide.loc["reshuffled", "other order"] < wide.loc["fixed", "other order"] / 2).all()
    for name in ("fine-tune", "Newton, full"):
        ratio = wide.loc["fixed", name] / wide.loc["fixed", "other order"]
        assert ratio.between(0.65, 1.35).all()


def test_newtons_norms_scatter_about_twice_as_much():
    spreads = [
        f["mean"]
        for f in PAPER["findings"]
        if (f["claim"], f["criterion"]) == ("hfocu-figure-4-baselines", "newton-logistic")
    ]
    assert len(spreads) == 2
    assert all(1.7 < math.exp(value) < 2.5 for value in spreads)
    exact = FRAME[FRAME["method"] == "do nothing"].set_index(["convention", "seed", "m"])
    for name, low, high in (("HF-OCU", 0.7, 0.9), ("Newton, one-term", 0.95, 1.05)):
        mine = FRAME[FRAME["method"] == name].set_index(["convention", "seed", "m"])
        assert low < (mine["norm"] / exact["distance"]).loc["R2"].mean() < high
