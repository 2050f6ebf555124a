"""What chapter 19 says in prose about its recorded run, held against the record."""

from statistics import mean

import pytest

from unlearning.companion import record

KEPT = record.load("relearning-relearning-mnist")
PUBLISHED = [42, 930, 124, 114514, 3407, 5, 1]
ORDERS = {"first": 1, "second": 2}
LEARNED = {5, 124, 930, 3407}  # the seeds in which SGD has learned the patch
CORRECTED = ("all", "largest", "last layer", "random")


def finding(criterion):
    (found,) = (f for f in KEPT["findings"] if f["criterion"] == criterion)
    return found


def by_seed(value, **wanted):
    """The mean of a value over the rows of each seed that have it."""
    kept = {}
    for row in KEPT["values"]:
        if all(row.get(name) == given for name, given in wanted.items()) and value in row:
            kept.setdefault(row["seed"], []).append(row[value])
    return {seed: mean(values) for seed, values in kept.items()}


def pairs(pair, order, bench="patch", attack="wrong"):
    return by_seed(attack, part="pair", pair=pair, order=order, bench=bench)


def areas(bench, attack, model, order):
    wanted = {"bench": bench, "attack": attack, "model": model, "order": order}
    return by_seed("area", part="curve", training="SGD", **wanted)


def learned(training):
    """The level of the patch's behaviour in the learned model."""
    wanted = {"part": "curve", "bench": "patch", "attack": "wrong", "model": "do nothing"}
    return by_seed("start", training=training, **wanted)


def test_the_record_has_the_published_seeds_and_a_clean_commit():
    assert KEPT["parameters"]["seeds"] == PUBLISHED
    assert "+" not in KEPT["commit"], "recorded with uncommitted changes"


@pytest.mark.parametrize("bench", ["labels", "patch"])
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("rival", ["all", "random"])
def test_no_line_is_decided_and_none_is_large(bench, order, rival):
    found = finding(f"{bench}-{order}-{rival}")
    assert found["outcome"] != "holds"
    assert abs(found["mean"]) < 0.016


@pytest.mark.parametrize(
    ("order", "size", "low"), [("first", 0.15, -0.08), ("second", 0.15, -0.01)]
)
def test_the_control_of_the_patch_is_not_certain(order, size, low):
    found = finding(f"power-patch-{order}")
    assert found["outcome"] == "undecided"
    assert found["mean"] == pytest.approx(size, abs=0.005)
    assert found["low"] == pytest.approx(low, abs=0.006)


@pytest.mark.parametrize("order", ORDERS)
def test_on_labels_the_retrained_model_does_not_resist_better(order):
    found = finding(f"power-labels-{order}")
    assert found["outcome"] == "fails"
    assert found["mean"] < 0


def test_where_the_patch_was_learned_the_control_has_power():
    start = learned("SGD")
    assert {seed for seed, level in start.items() if level > 0.9} == LEARNED
    others = sorted(level for seed, level in start.items() if seed not in LEARNED)
    assert others == pytest.approx([0.10, 0.12, 0.42], abs=0.005)
    there, elsewhere = [], []
    for order in ORDERS.values():
        for seed, area in pairs("retrain", order).items():
            (there if seed in LEARNED else elsewhere).append(area)
    assert [min(there), max(there)] == pytest.approx([0.15, 0.42], abs=0.005)
    assert [min(elsewhere), max(elsewhere)] == pytest.approx([-0.17, 0.05], abs=0.005)


@pytest.mark.parametrize(("rival", "low", "high"), [("random", -0.04, 0.02), ("all", -0.02, 0.09)])
def test_there_the_largest_entries_do_not_resist(rival, low, high):
    found = [
        area
        for order in ORDERS.values()
        for seed, area in pairs(rival, order).items()
        if seed in LEARNED
    ]
    assert [min(found), max(found)] == pytest.approx([low, high], abs=0.0055)


def test_corrections_of_labels_do_not_withstand_the_attacker():
    found = [
        mean(areas("labels", "wrong", model, order).values())
        for model in CORRECTED
        for order in ORDERS.values()
    ]
    assert [min(found), max(found)] == pytest.approx([0.15, 0.18], abs=0.005)
    assert mean(areas("labels", "wrong", "other order", 0).values()) == pytest.approx(
        0.02, abs=0.005
    )


def test_which_corrections_of_the_patch_stay_near_the_retrained_model():
    near = {
        (model, order)
        for model in CORRECTED
        for order in ORDERS.values()
        if mean(areas("patch", "wrong", model, order).values()) < 0.01
    }
    assert near == {("all", 2), ("last layer", 2)}


def test_benign_training_brings_the_patch_back():
    everything, largest = (areas("patch", "benign", model, 1) for model in ("all", "largest"))
    half = {seed for seed, area in everything.items() if area > 0.45}
    assert half < LEARNED
    assert len(half) == 3
    assert [everything[seed] for seed in half] == pytest.approx([0.5] * 3, abs=0.05)
    ends = min(largest[seed] for seed in half), max(largest[seed] for seed in half)
    assert ends == pytest.approx((0.01, 0.12), abs=0.005)
    for order in ORDERS:
        for rival in ("all", "random"):
            assert finding(f"benign-patch-{order}-{rival}")["outcome"] == "undecided"


def test_a_flatter_start_has_often_not_learned_the_patch():
    from_sam = {seed for seed, level in learned("SAM").items() if level > 0.8}
    assert len(from_sam) == 3
    both = from_sam & LEARNED
    assert len(both) == 2
    large, small, chance = [], [], []
    for order in ORDERS.values():
        for seed, area in pairs("SAM, largest", order).items():
            if seed in both:
                small.append(area)
            elif seed in LEARNED:
                large.append(area)
        chance += [abs(a) for seed, a in pairs("another, largest", order).items() if seed in both]
    assert large == pytest.approx([-0.5] * 4, abs=0.05)
    assert [min(small), max(small)] == pytest.approx([-0.13, -0.01], abs=0.0055)
    assert max(chance) == pytest.approx(0.06, abs=0.006)


@pytest.mark.parametrize("bench", ["labels", "patch"])
@pytest.mark.parametrize("model", ["do nothing", "all", "largest"])
def test_the_start_from_sam_is_flatter_on_average(bench, model):
    place = {"part": "sharp", "bench": bench, "model": model}
    flat = by_seed("lambda_max", training="SAM", **place)
    plain = by_seed("lambda_max", training="SGD", **place)
    assert mean(flat.values()) < mean(plain.values())
