"""Restricted systems against the blocks of a dense autodiff Hessian."""

import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import unlearning as ul
from tests.baselines.points import CASES, At, shares, some_weights
from unlearning.base import memory
from unlearning.curvature import restricted
from unlearning.curvature.restricted import Restricted
from unlearning.curvature.solve import UnsolvedError, solve
from unlearning.curvature.system import System

every_case = pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
SOME = torch.tensor([0, 3, 4, 17, 40])


def system(at, **more):
    return System(at.objective, at.samples, at.weights, **more)


def block(at, places, damping=0.0):
    return at.hessian(shares(13), "R2", damping=damping)[places][:, places]


def vectors(count, d):
    generator = torch.Generator().manual_seed(4)
    return torch.randn(count, d, generator=generator, dtype=torch.float64)


@every_case
def test_written_out_it_is_a_block_of_the_hessian(case):
    at = some_weights(case)
    whole = system(at)
    found = Restricted(whole, SOME, damping=0.4)
    expected = block(at, SOME, damping=0.4)
    torch.testing.assert_close(found.dense(), expected, rtol=0, atol=1e-12)
    assert (found.dimension, found.products, whole.products) == (5, 5, 5)
    torch.testing.assert_close(found.rows.w, at.weights[SOME], rtol=0, atol=0)


@every_case
def test_all_places_are_the_system_itself(case):
    at = some_weights(case)
    some = vectors(3, len(at.weights))
    found = Restricted(system(at), damping=0.2).multiply(some)
    expected = system(at, damping=0.2).multiply(some)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-13)


@given(data=st.data(), case=st.sampled_from(CASES), count=st.integers(0, 5))
@settings(max_examples=20, deadline=None)
def test_products_with_any_places_in_any_order(data, case, count):
    at = some_weights(case)
    numbers = st.integers(0, len(at.weights) - 1)
    places = torch.tensor(data.draw(st.lists(numbers, min_size=1, unique=True)))
    some = vectors(count, len(places))
    found = Restricted(system(at), places).multiply(some)
    torch.testing.assert_close(found, some @ block(at, places), rtol=0, atol=1e-12)


@every_case
def test_a_system_without_the_rest_of_it(case):
    at = some_weights(case)
    b = vectors(2, len(SOME))
    expected = torch.linalg.solve(block(at, SOME, damping=2.0), b.T).T
    for solver in ("dense", "cg"):
        found = solve(Restricted(system(at), SOME, damping=2.0), b, solver=solver, rtol=1e-12)
        torch.testing.assert_close(found.x, expected, rtol=0, atol=1e-10)
        assert found.products >= 5
    everywhere = torch.zeros(2, len(at.weights), dtype=torch.float64)
    everywhere[:, SOME] = b
    whole = torch.linalg.solve(at.hessian(shares(13), "R2", damping=2.0), everywhere.T).T
    assert (whole[:, SOME] - expected).norm() > 1e-7  # the rest of the weights would move, too


def test_few_vectors_are_in_memory_at_a_time(monkeypatch):
    at, some = some_weights(CASES[0]), vectors(7, 5)
    expected = Restricted(system(at), SOME).multiply(some)
    whole, seen = system(at), []
    once = whole.multiply
    monkeypatch.setattr(whole, "multiply", lambda v: (seen.append(len(v)), once(v))[1])
    monkeypatch.setattr(restricted, "_BLOCK_BYTES", 3 * 51 * 8)
    found = Restricted(whole, SOME).multiply(some)
    assert seen == [3, 3, 1]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-14)


def test_a_singular_block_names_the_damping():
    """A pixel that is always 0 has no curvature without penalty."""
    at = some_weights(CASES[0], l2=0.0)
    inputs = at.samples.inputs.clone()
    inputs[:, 0, 0, 0] = 0.0
    at = At(at.objective, ul.Samples(inputs, at.samples.labels), at.weights)
    with pytest.raises(UnsolvedError, match="damping: expected one that makes the matrix positive"):
        solve(Restricted(system(at), torch.tensor([0, 1])), vectors(1, 2)[0])
    assert solve(Restricted(system(at), torch.tensor([1])), vectors(1, 1)[0]).residual < 1e-12


def test_a_block_that_does_not_fit_into_memory(monkeypatch):
    found = Restricted(system(some_weights(CASES[0])), SOME)
    monkeypatch.setattr(memory, "available", lambda device: 399)
    with pytest.raises(ValueError, match="solver: expected 'cg' for d = 5, whose dense"):
        found.dense()
    monkeypatch.setattr(memory, "available", lambda device: 400)
    assert found.dense().shape == (5, 5)


WANTED = "places: expected distinct numbers of weights from 0 to 50, got "
BAD = {
    "places: expected an integer tensor [|S|], got list": [1, 2],
    WANTED + "torch.float32 of shape [2]": torch.zeros(2),
    WANTED + "torch.int64 of shape [1, 2]": torch.zeros(1, 2, dtype=torch.int64),
    WANTED + "none": torch.zeros(0, dtype=torch.int64),
    WANTED + "numbers from -1 to 3": torch.tensor([3, -1]),
    WANTED + "numbers from 3 to 51": torch.tensor([3, 51]),
    WANTED + "weight 3 more than once": torch.tensor([3, 4, 3]),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_places(message):
    with pytest.raises(ValueError, match=re.escape(message)):
        Restricted(system(some_weights(CASES[0])), BAD[message])


def test_bad_damping_and_vectors():
    whole = system(some_weights(CASES[0]))
    with pytest.raises(ValueError, match="damping: expected a finite number of at least 0, got -1"):
        Restricted(whole, SOME, damping=-1)
    for wrong in (vectors(1, 51), vectors(1, 5)[0], vectors(1, 5).float()):
        with pytest.raises(ValueError, match=r"vectors: expected torch.float64 of shape \[K, 5\]"):
            Restricted(whole, SOME).multiply(wrong)
