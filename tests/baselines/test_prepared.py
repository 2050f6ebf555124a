"""Matrices prepared before a request give the same, and are not paid for again."""

import pytest
import torch

from tests.baselines.points import CASES, GONE, METHODS, every_convention, some_weights
from unlearning.baselines.newton import infinitesimal_jackknife, newton_step
from unlearning.baselines.prepared import Prepared


@every_convention
@pytest.mark.parametrize("form", ["one_term", "full"])
def test_a_prepared_matrix_gives_the_same(convention, form):
    at = some_weights(CASES[1], l2=0.5)
    prepared = Prepared(at, batch=6)
    assert (prepared.products, prepared.bytes) == (len(at.weights), 8 * len(at.weights) ** 2)
    for forget in (GONE, [1, 5]):
        for method in METHODS:
            how = {"convention": convention, "form": form, "damping": 2.0}
            expected = method(at, forget, **how).weights
            found = method(at, forget, prepared=prepared, **how)
            torch.testing.assert_close(found.weights, expected, rtol=0, atol=1e-11)


def test_what_is_prepared_is_not_paid_again():
    at = some_weights(CASES[0])
    d, prepared = len(at.weights), Prepared(at)
    bills = [
        method(at, forget, prepared=prepared, form=form).products
        for method, forget, form in [
            (newton_step, GONE, "one_term"),
            (newton_step, GONE, "full"),  # the same matrix
            (infinitesimal_jackknife, GONE, "one_term"),
            (newton_step, [1], "one_term"),
            (newton_step, GONE, "one_term"),  # only the last is kept
        ]
    ]
    assert bills == [d, 0, 0, d, d]


def test_a_factor_is_not_taken_for_another():
    """Without penalty R1 and R2 add the same to the diagonal, but not to the same matrix."""
    at = some_weights(CASES[0])
    prepared = Prepared(at)
    for convention in ("R1", "R2", "R1"):
        how = {"convention": convention, "damping": 2.0, "quirks": ["no_penalty"]}
        expected = newton_step(at, GONE, **how).weights
        found = newton_step(at, GONE, prepared=prepared, **how).weights
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-11)


def test_prepared_gauss_newton():
    at = some_weights(CASES[1], l2=1e-2, scale=1.5)
    prepared = Prepared(at, curvature="ggn")
    expected = newton_step(at, GONE, curvature="ggn").weights
    found = newton_step(at, GONE, curvature="ggn", prepared=prepared).weights
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)
