"""What the claim of chapter 19 is judged by, made again from recorded rows by other code."""

import itertools

import pytest

CLAIM = "saps-sentence-robust"
ORDERS = {"first": 1, "second": 2}


def relearning_finding(f, values):
    """The quantity of a criterion, for each seed."""
    check_areas(values)
    words = f["criterion"].split("-")
    attack = "benign" if words[0] == "benign" else "wrong"
    pair = "SAM, largest" if words[0] == "sam" else words.pop()
    *_, bench, order = words
    mine = [
        row
        for row in values
        if row["part"] == "pair"
        and (row["bench"], row["order"], row["pair"]) == (bench, ORDERS[order], pair)
    ]
    return {row["seed"]: row[attack] for row in mine}


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
        assert row["area"] == pytest.approx(mean_level(row) - mean_level(beside), abs=1e-5)


def mean_level(row):
    """The mean over the steps, straight lines between the measurements."""
    points = sorted((int(key[3:]), level) for key, level in row.items() if key.startswith("at "))
    pieces = itertools.pairwise(points)
    total = sum((t - s) * (a + b) / 2 for (s, a), (t, b) in pieces)
    return total / (points[-1][0] - points[0][0])
