"""What chapter 09 says in prose about its three networks, held against their records."""

import pandas as pd
import pytest

from unlearning.companion import record

KEPT = {
    name: record.load(f"verification-mnist-{name}")
    for name in ("cnn", "smooth-cnn", "cnn-small-step")
}
SIZES = (10, 50, 200)


def rows(name):
    """The rows of a record with a distance; of a baseline's dampings the closest."""
    frame = pd.DataFrame(row for row in KEPT[name]["values"] if "accuracy" in row)
    short = frame["method"].replace(r"^(Newton|jackknife), one-term$", r"\1", regex=True)
    frame = frame.assign(method=short).sort_values("distance")
    return frame.drop_duplicates(["seed", "m", "convention", "method"])


def table(name, column, convention):
    """A column: seeds and sizes by method."""
    frame = rows(name)
    return frame[frame["convention"] == convention].pivot(
        index=["m", "seed"], columns="method", values=column
    )


def shares(name, convention):
    wide = table(name, "distance", convention)
    return wide.div(wide["do nothing"], axis=0)


def mean(name, column, method, convention="R2"):
    return table(name, column, convention)[method].groupby("m").mean().reindex(SIZES).tolist()


def floors(name):
    runs = pd.DataFrame(row for row in KEPT[name]["values"] if "floor" in row)
    return runs.set_index("seed")[["floor", "run again"]]


def gained_more_than_the_floor(name, convention):
    """In how many places HF-OCU comes closer by more than the perturbation floor."""
    wide = table(name, "distance", convention)
    floor = floors(name)["floor"].reindex(wide.index.get_level_values("seed")).to_numpy()
    return int((wide["do nothing"] - wide["HF-OCU"] > floor).sum())


def closer(name, convention, other):
    """In how many seeds HF-OCU is closer than another, by size."""
    wide = table(name, "distance", convention)
    return (wide["HF-OCU"] < wide[other]).groupby("m").sum().reindex(SIZES).tolist()


def mean_share(name, method, convention):
    return shares(name, convention)[method].groupby("m").mean().reindex(SIZES)


def finding(claim, criterion, convention, mode="as_specified"):
    """Of all records, the finding on one criterion."""
    (found,) = (
        f
        for kept in KEPT.values()
        for f in kept["findings"]
        if (f["claim"], f["criterion"], f["convention"], f["mode"])
        == (f"hfocu-{claim}", criterion, convention, mode)
    )
    return found


@pytest.mark.parametrize("name", KEPT)
def test_a_run_repeats_itself_to_the_last_bit(name):
    assert KEPT[name]["parameters"]["seeds"] == [42, 930, 124, 114514, 3407, 5, 1]
    assert "+" not in KEPT[name]["commit"], "recorded with uncommitted changes"
    assert floors(name)["run again"].max() == 0


def test_the_floor_of_the_published_network():
    floor = floors("cnn")["floor"]
    assert (floor.min(), floor.max()) == pytest.approx((0.05, 0.20), abs=0.005)
    nothing = table("cnn", "distance", "R1")["do nothing"]
    share = floor.reindex(nothing.index.get_level_values("seed")).to_numpy() / nothing
    by_size = share.groupby("m").mean().reindex(SIZES).tolist()
    assert by_size == pytest.approx([0.48, 0.30, 0.17], abs=0.005)


def test_the_published_network_in_weights():
    assert [sum(closer("cnn", c, "do nothing")) for c in ("R1", "R2")] == [21, 20]
    assert [gained_more_than_the_floor("cnn", c) for c in ("R1", "R2")] == [6, 2]
    left = [mean_share("cnn", "HF-OCU", c) for c in ("R1", "R2")]
    assert min(map(min, left)) == pytest.approx(0.80, abs=0.0051)
    assert max(map(max, left)) == pytest.approx(0.91, abs=0.005)


def test_the_published_network_in_function_space():
    logits = {m: mean("cnn", "logits test", m) for m in ("do nothing", "HF-OCU")}
    assert logits["do nothing"] == pytest.approx([0.55, 1.09, 2.40], abs=0.005)
    assert logits["HF-OCU"] == pytest.approx([0.44, 0.71, 2.14], abs=0.005)
    pearson = {m: mean("cnn", "pearson forget", m) for m in ("HF-OCU", "Newton", "jackknife")}
    assert pearson["HF-OCU"] == pytest.approx([0.995, 0.97, 0.83], abs=0.005)
    for other in ("Newton", "jackknife"):
        assert all(a > b for a, b in zip(pearson["HF-OCU"], pearson[other], strict=True))
    slopes = mean("cnn", "slope forget", "HF-OCU")
    assert (min(slopes), max(slopes)) == pytest.approx((0.73, 0.82), abs=0.005)
    methods = ("HF-OCU", "exact retrain", "Newton", "jackknife")
    right = [mean("cnn", "accuracy", m)[-1] for m in methods]
    assert right == pytest.approx([0.885, 0.903, 0.914, 0.913], abs=0.0005)


def test_the_smooth_network():
    assert floors("smooth-cnn")["floor"].max() < 4e-5
    nearest = table("smooth-cnn", "distance", "R2")["HF-OCU"].min()
    assert floors("smooth-cnn")["floor"].max() == pytest.approx(nearest / 100, rel=0.2)
    assert mean_share("smooth-cnn", "HF-OCU", "R2").tolist() == pytest.approx(
        [0.12, 0.20, 0.45], abs=0.005
    )
    for convention in ("R1", "R2"):
        for other in ("do nothing", "Newton", "jackknife"):
            assert closer("smooth-cnn", convention, other) == [7, 7, 7]
    assert mean("smooth-cnn", "pearson forget", "HF-OCU") == pytest.approx(
        [0.999, 0.99, 0.74], abs=0.005
    )


def test_a_fifth_of_the_step_size():
    name = "cnn-small-step"
    floor = floors(name)["floor"]
    assert (floor.min(), floor.max()) == pytest.approx((0.002, 0.007), abs=0.0005)
    left = {c: mean_share(name, "HF-OCU", c).tolist() for c in ("R1", "R2")}
    assert left["R2"] == pytest.approx([0.65, 0.42, 0.33], abs=0.0051)
    assert (min(left["R1"]), max(left["R1"])) == pytest.approx((0.70, 0.78), abs=0.0051)
    for convention in ("R1", "R2"):
        for other in ("do nothing", "Newton", "jackknife"):
            assert closer(name, convention, other) == [7, 7, 7]
        assert gained_more_than_the_floor(name, convention) == 20
    assert mean(name, "accuracy", "do nothing") == pytest.approx([0.62] * 3, abs=0.005)
    order = mean_share(name, "other order", "R2")
    assert order[200] == pytest.approx(0.13, abs=0.005)


def test_the_earlier_methods_on_networks():
    ends = {"Newton": (0.94, 0.97), "jackknife": (0.90, 0.95)}
    for method, expected in ends.items():
        left = mean_share("cnn", method, "R2")
        assert (left.min(), left.max()) == pytest.approx(expected, abs=0.005)
    smooth = pd.concat([mean_share("smooth-cnn", m, "R2") for m in ends])
    assert (smooth.min(), smooth.max()) == pytest.approx((0.87, 0.94), abs=0.005)
    for other in ends:
        assert closer("cnn", "R1", other) == [7, 7, 7]
    assert [closer("cnn", "R2", other)[-1] for other in ends] == [5, 4]
    mine = rows("cnn")
    assert mine["damping"].min() == 0.1
    assert (mine[mine["method"] == "jackknife"]["damping"] == 0.1).mean() > 0.5


def test_what_the_verdicts_in_words_say():
    correlation = {c: finding("figure-1b-loss-changes", "correlation", c) for c in ("R1", "R2")}
    assert correlation["R1"]["mean"] == pytest.approx(0.92, abs=0.005)
    assert correlation["R1"]["low"] < 0.9 < correlation["R1"]["high"]
    assert correlation["R2"]["mean"] == pytest.approx(0.84, abs=0.005)
    released = [
        finding("figure-1b-loss-changes", name, "R1", "as_released")["mean"]
        for name in ("correlation", "slope")
    ]
    assert released == pytest.approx([0.68, 0.12], abs=0.005)
    ends = [f for f in KEPT["cnn"]["findings"] if f["claim"] == "hfocu-figure-1b-baselines"]
    assert ends
    assert not [f for f in ends if f["low"] > 0]
    for name in ("newton", "jackknife"):
        below = finding("sentence-test-accuracy", f"{name}-cnn", "R2")["mean"]
        assert below == pytest.approx(-0.01, abs=0.0006)
        spread = [finding("figure-4-consistency", f"{name}-cnn", c) for c in ("R1", "R2")]
        assert all(f["low"] < 0 < f["high"] for f in spread)
