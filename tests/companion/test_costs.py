"""Totals and break-evens of costs, against adding up request by request."""

import math

import pytest

from tests.notebooks.cost_rows import made_up
from unlearning.companion.costs import break_even, exponent, exponents, totals

COSTS = {
    "retraining": 1.0, "Newton by CG": 0.6, "HF-OCU, all vectors": 40.0,
    "HF-OCU, request": 0.001, "matrix": 10.0, "factor": 3.0, "Newton, request": 2.0,
    "jackknife, request": 0.05, "jackknife, all vectors": 5.0,
}  # fmt: skip


def test_break_even_is_where_the_totals_cross():
    for other in ("retraining", "Newton by CG", "Newton", "jackknife"):
        at = break_even(COSTS, other)
        before, after = (totals(COSTS, R) for R in (math.floor(at), math.ceil(at)))
        assert before["HF-OCU"] >= before[other]
        assert after["HF-OCU"] <= after[other]
    assert break_even(COSTS, "Newton") == pytest.approx(30 / 1.999)


def test_no_break_even_against_what_is_cheaper_for_ever():
    assert break_even(COSTS | {"Newton by CG": 0.0001}, "Newton by CG") == math.inf
    assert break_even(COSTS, "jackknife vectors") == math.inf
    assert break_even(COSTS | {"matrix": 50.0}, "jackknife vectors") == 0.0


def test_totals_add_up_request_by_request():
    spent = {"retraining": 0.0, "HF-OCU": 40.0, "jackknife": 13.0, "Newton": 10.0,
             "jackknife vectors": 18.0, "Newton by CG": 0.0}  # fmt: skip
    each = {"retraining": 1.0, "HF-OCU": 0.001, "jackknife": 0.05, "Newton": 2.0,
            "jackknife vectors": 0.001, "Newton by CG": 0.6}  # fmt: skip
    for _ in range(7):
        spent = {name: total + each[name] for name, total in spent.items()}
    assert totals(COSTS, 7) == pytest.approx(spent)


def test_answers_get_cheaper_when_deletions_accumulate():
    n, E = 20, 5  # one answer takes E (1 - 1/n), the last of n nothing
    found = totals(COSTS | {"retraining": E * (1 - 1 / n)}, n, n)
    assert found["retraining"] == pytest.approx(E * (n - 1) / 2)
    assert found["HF-OCU"] == totals(COSTS, n)["HF-OCU"]


def test_what_is_not_known_is_left_out():
    assert set(totals({"retraining": 1.0}, 3)) == {"retraining"}


def test_exponents_are_those_of_the_laws_that_made_the_rows():
    rows = made_up(1) + made_up(2, sides=(10, 20, 30))
    for at, known in {("over n", "HF-OCU, per step"): 1.1, ("over n", "HF-OCU, all vectors"): 2.1,
                      ("over d", "Newton, request"): 2.8, ("over d", "HF-OCU, per step"): 0.9,
                      ("additions", "addition"): 1.2}.items():  # fmt: skip
        assert exponent(rows, *at, 2) == pytest.approx(known)
    found = exponents(rows, (1, 2))
    assert found.loc["Newton, request, over d", "measured"] == pytest.approx(2.8)
    assert "retraining, over n" not in found.index  # has no rows here
    assert exponent(made_up(1, sides=(10, 20)), "over d", "Newton, request", 1) is None
