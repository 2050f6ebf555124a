"""What chapter 18 says in prose about its recorded run, held against the record."""

from statistics import mean

import pytest

from unlearning.companion import record

KEPT = record.load("efficacy-efficacy-mnist")
JUDGED = [row for row in KEPT["values"] if "q" in row]
PUBLISHED = [42, 930, 124, 114514, 3407, 5, 1]
BENCHES = ("labels", "pixels", "patch")
WORDS = dict(zip(BENCHES, ("labels", "features", "patch"), strict=True))


def finding(claim, criterion):
    wanted = (f"saps-sentence-{claim}", criterion)
    (found,) = (f for f in KEPT["findings"] if (f["claim"], f["criterion"]) == wanted)
    return found


def in_per_cent(found):
    return [100 * found[name] for name in ("mean", "low", "high")]


def over_seeds(bench, value, method, size="", order=0):
    wanted = {"bench": bench, "method": method, "size": size, "order": order}
    rows = [r for r in JUDGED if all(r.get(k) == v for k, v in wanted.items())]
    assert len(rows) == len(PUBLISHED)
    return mean(r[value] for r in rows)


def won_back(bench, *which):
    """Share of what retraining wins back."""
    nothing, again = (over_seeds(bench, "q", name) for name in ("do nothing", "retrain"))
    return (nothing - over_seeds(bench, "q", *which)) / (nothing - again)


def corrections(bench):
    """Every correction of a bench: method, size and order."""
    return {
        (r["method"], r["size"], r["order"])
        for r in JUDGED
        if r.get("bench") == bench and r.get("order") in (1, 2)
    }


def share(bench, way):
    """Time as a share of retraining, mean over the seeds."""
    ms = {
        (r["seed"], r["timed"]): r["ms"]
        for r in KEPT["values"]
        if r.get("timed") and r.get("bench") == bench
    }
    return mean(ms[seed, way] / ms[seed, "retrain"] for seed in PUBLISHED)


def test_the_record_has_the_published_seeds_and_a_clean_commit():
    assert KEPT["parameters"]["seeds"] == PUBLISHED
    assert "+" not in KEPT["commit"], "recorded with uncommitted changes"


@pytest.mark.parametrize(
    ("bench", "best", "one_epoch", "validation"),
    [("labels", 0.72, 0.85, 0.70), ("pixels", 0.31, 0.61, 0.52), ("patch", 0.82, 0.89, 0.90)],
)
def test_fine_tuning_beats_every_correction(bench, best, one_epoch, validation):
    tried = [won_back(bench, *which) for which in corrections(bench)]
    assert len(tried) >= 20
    assert max(tried) == pytest.approx(best, abs=0.006)
    assert won_back(bench, "fine-tune 1") == pytest.approx(one_epoch, abs=0.006)
    assert won_back(bench, "validation rows") == pytest.approx(validation, abs=0.006)
    assert share(bench, "fine-tune 1") == pytest.approx(0.03, abs=0.005)


@pytest.mark.parametrize(
    ("bench", "numbers", "random"),
    [("labels", (15, 11, 18), 5), ("pixels", (9, 5, 14), 4), ("patch", (18, 5, 31), 3)],
)
def test_few_weights(bench, numbers, random):
    word = WORDS[bench]
    smallest = finding("progress", f"{word}-smallest")
    assert smallest["outcome"] == "holds"
    assert in_per_cent(smallest) == pytest.approx(numbers, abs=0.55)
    chance = finding("progress", f"{word}-random")
    assert chance["outcome"] == "undecided"
    assert 100 * chance["mean"] == pytest.approx(random, abs=0.5)
    assert finding("progress", f"{word}-gradient")["mean"] < 0.01
    if bench != "pixels":
        assert finding("progress", f"{word}-last-layer")["mean"] < 0.01


@pytest.mark.parametrize(
    ("bench", "numbers"),
    [("labels", (-0.1, -1.6, 1.5)), ("pixels", (-4, -9, 1)), ("patch", (0.1, -4.4, 4.6))],
)
def test_the_large_set_does_what_all_do(bench, numbers):
    found = finding("efficacy", f"mnist-{WORDS[bench]}-all")
    assert found["outcome"] == "undecided"
    assert in_per_cent(found) == pytest.approx(numbers, abs=0.06 if bench != "pixels" else 0.5)


def chosen(bench, method, size):
    """By seed, q in the order that the validation rows choose."""
    best = {}
    for r in JUDGED:
        if (r.get("bench"), r.get("method"), r.get("size")) == (bench, method, size):
            rank = (-r["validated"], r["validation loss"], r["order"])
            best[r["seed"]] = min(best.get(r["seed"], (rank, r["q"])), (rank, r["q"]))
    return {seed: q for seed, (_, q) in best.items()}


@pytest.mark.parametrize("bench", BENCHES)
def test_random_sets_of_that_size_are_hardly_worse(bench):
    mine, random = (chosen(bench, method, "share") for method in ("tenth", "random"))
    assert abs(mean(random[seed] - mine[seed] for seed in PUBLISHED)) < 0.0205


def test_erased_pixels_are_beyond_a_single_step():
    near = min(over_seeds("pixels", "apart", *which) for which in corrections("pixels"))
    assert near == pytest.approx(0.57, abs=0.005)
    for order in (1, 2):
        assert over_seeds("pixels", "apart", f"other order {order}") < 0.18


def test_costs():
    assert [share(bench, "all, 1st") for bench in BENCHES] == pytest.approx(
        [0.014, 0.041, 0.006], abs=0.001
    )
    charged = [share(bench, "tenth, 1st with tau*") for bench in BENCHES]
    assert min(charged) == pytest.approx(0.06, abs=0.005)
    assert max(charged) == pytest.approx(0.10, abs=0.006)
    for bench in BENCHES:
        both = [share(bench, f"tenth, 2nd, {solver}") for solver in ("dense", "cg")]
        assert min(both) == pytest.approx(0.3, abs=0.035)
    assert share("labels", "all, 2nd, cg") == pytest.approx(0.63, abs=0.005)
    found = finding("cost", "mnist-time")
    assert found["outcome"] == "fails"
    assert in_per_cent(found) == pytest.approx([21.5, 15, 28], abs=0.6)
    doubled = finding("cost", "mnist-first")
    assert doubled["mean"] == pytest.approx(2, abs=0.1)


def test_validation_chooses_the_second_order_more_often_than_not():
    orders = []
    for bench in BENCHES:
        mine = chosen(bench, "tenth", "share")
        for r in JUDGED:
            place = r.get("bench"), r.get("method"), r.get("size")
            if place == (bench, "tenth", "share") and mine[r["seed"]] == r["q"]:
                orders.append(r["order"])
    assert orders.count(2) > orders.count(1)


@pytest.mark.parametrize("bench", BENCHES)
def test_fine_tuning_is_cheaper_than_a_second_order_step(bench):
    cheapest = min(share(bench, f"tenth, 2nd, {solver}") for solver in ("dense", "cg"))
    assert share(bench, "fine-tune 1") < cheapest < 1


def on_the_subset(criterion):
    kept = record.load("efficacy-efficacy-cifar")
    (found,) = (f for f in kept["findings"] if f["criterion"] == f"cifar-{criterion}")
    return found


def test_what_is_said_of_the_cifar_subset():
    kept = record.load("efficacy-efficacy-cifar")
    assert kept["parameters"]["seeds"] == PUBLISHED[:3]
    assert "+" not in kept["commit"], "recorded with uncommitted changes"
    for method, wrong in (("retrain", 0.58), ("do nothing", 0.69)):
        rows = [r for r in kept["values"] if r.get("method") == method and r["bench"] == "labels"]
        assert mean(r["q"] for r in rows if "q" in r) == pytest.approx(wrong, abs=0.005)
    for bench in WORDS.values():
        for rival in ("all", "last-layer"):
            assert abs(on_the_subset(f"{bench}-{rival}")["mean"]) < 0.02
    better = in_per_cent(on_the_subset("features-fine-tune"))
    assert better == pytest.approx([-6, -8, -4], abs=0.5)
    time = on_the_subset("time")
    assert [time[end] for end in ("mean", "low", "high")] == pytest.approx(
        [0.3, 0.1, 0.5], abs=0.05
    )
