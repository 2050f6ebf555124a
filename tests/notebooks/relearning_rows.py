"""What the claim of chapter 19 is judged by, made again from recorded rows by other code."""

import itertools
import statistics

import pytest

CLAIM = "saps-sentence-robust"
ORDERS = {"first": 1, "second": 2}
ATTACKS = ("wrong", "benign")
PAIRS = {"power": "retrain", "sam": "SAM, largest"}


def relearning_finding(f, values):
    """The quantity of a criterion, for each seed."""
    check_areas(values)
    check_pairs(values)
    words = f["criterion"].split("-")
    about = words.pop(0) if words[0] in ("benign", "compared", *PAIRS) else ""
    pair = PAIRS.get(about) or words.pop()
    bench, order = words
    mine = {}
    for row in values:
        if row["part"] == "pair":
            key = (row["bench"], row["order"], row["pair"])
            if key == (bench, ORDERS[order], pair):
                mine.setdefault(row["seed"], []).append(row)
    return {seed: of_one_seed(rows, about) for seed, rows in mine.items()}


def of_one_seed(rows, about):
    """Mean area over those of the sets that could be compared, or whether there are any."""
    areas = [row["benign" if about == "benign" else "wrong"] for row in rows if row["comparable"]]
    if about == "compared":
        return float(bool(areas))
    return statistics.fmean(areas) if areas else 0.0


def check_areas(values):
    """Areas of the models as they are follow from their curves and the retrained model's."""
    curves = [row for row in values if row["part"] == "curve"]
    assert curves
    reference = {
        (row["seed"], row["bench"], row["attack"]): row
        for row in curves
        if (row["training"], row["model"]) == ("SGD", "retrain")
    }
    for row in curves:
        beside = reference[row["seed"], row["bench"], row["attack"]]
        # Rows are rounded to six digits.
        wanted = mean_level(row, "at") - mean_level(beside, "at")
        assert row["area"] == pytest.approx(wanted, abs=1e-5)


def check_pairs(values):
    """Areas at equal start follow from the curves of the pair, which begin alike."""
    starts = {
        (row["seed"], row["bench"], row["training"], row["model"]): row["start"]
        for row in values
        if row["part"] == "curve" and row["order"] == 0
    }
    pairs = [row for row in values if row["part"] == "pair"]
    assert any(row["comparable"] for row in pairs)
    for row in pairs:
        before = row["a before"], row["b before"]
        assert row["level"] == max(before)
        check_comparable(row, starts)
        if not row["comparable"]:
            assert not set(ATTACKS) & set(row)
            continue
        assert max(row["a s"], row["b s"]) == 1
        for attack in ATTACKS:
            a, b = (f"{side} {attack}" for side in "ab")
            wanted = mean_level(row, a) - mean_level(row, b)
            assert row[attack] == pytest.approx(wanted, abs=1e-5)
            for side in (a, b):
                assert row[f"{side} 0"] == pytest.approx(row["level"], abs=1e-3)


def check_comparable(row, starts):
    """Both have removed a tenth of what retraining removes; of another order it is not recorded."""
    if row["pair"].startswith("another"):
        return
    ways = ("SGD", "SAM") if row["pair"].startswith("SAM") else ("SGD",)
    learned = min(starts[row["seed"], row["bench"], way, "do nothing"] for way in ways)
    retrained = starts[row["seed"], row["bench"], "SGD", "retrain"]
    room = learned - row["level"] - 0.1 * (learned - retrained)
    assert row["comparable"] == (room > 0) or abs(room) < 1e-5


def mean_level(row, name):
    """The mean over the steps, straight lines between the measurements."""
    words = f"{name} "
    points = sorted(
        (int(key.removeprefix(words)), level)
        for key, level in row.items()
        if key.startswith(words) and key.removeprefix(words).isdigit()
    )
    pieces = itertools.pairwise(points)
    total = sum((t - s) * (a + b) / 2 for (s, a), (t, b) in pieces)
    return total / (points[-1][0] - points[0][0])
