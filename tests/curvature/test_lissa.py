"""LiSSA against its published iteration, its fixed point, and where it diverges."""

import re

import pytest
import torch

from tests.baselines.points import CASES, shares, some_weights
from unlearning.curvature import lissa as lissas
from unlearning.curvature.lissa import lissa, matrix_ends
from unlearning.curvature.restricted import Restricted
from unlearning.curvature.solve import UnsolvedError
from unlearning.curvature.system import System

every_case = pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
SIGMA, DELTA = 5.0, 0.2


def system(at, damping=0.0):
    return System(at.objective, at.samples, at.weights, damping=damping)


def right_side(at):
    generator = torch.Generator().manual_seed(4)
    return torch.randn(len(at.weights), generator=generator, dtype=torch.float64)


def published(hessian, b, sigma, delta, steps):
    """The iteration as it is published, on a dense matrix."""
    u = b
    for _ in range(steps):
        u = b + (1 - delta) * u - hessian @ u / sigma
    return u / sigma


@every_case
def test_the_fixed_point_has_the_damping_sigma_delta(case):
    at = some_weights(case)
    hessian, b = at.hessian(shares(13), "R2"), right_side(at)
    expected = torch.linalg.solve(at.hessian(shares(13), "R2", damping=SIGMA * DELTA), b)
    found = lissa(system(at, SIGMA * DELTA), b, scale=SIGMA)
    torch.testing.assert_close(found.x, expected, rtol=0, atol=1e-8)
    torch.testing.assert_close(
        published(hessian, b, SIGMA, DELTA, 500), expected, atol=1e-8, rtol=0
    )
    assert (
        found.x - torch.linalg.solve(at.hessian(shares(13), "R2", damping=DELTA), b)
    ).norm() > 0.1


@every_case
def test_its_iterates_are_the_published_ones(case):
    at = some_weights(case)
    hessian, b = at.hessian(shares(13), "R2"), right_side(at)
    found = lissa(system(at, SIGMA * DELTA), b, scale=SIGMA, rtol=1e-3)
    expected = published(hessian, b, SIGMA, DELTA, found.iterations)
    assert 3 < found.iterations < 60
    torch.testing.assert_close(found.x, expected, rtol=0, atol=1e-13)
    assert found.products == len(b) + found.iterations + 1


def test_restricted():
    at, places = some_weights(CASES[1]), torch.tensor([2, 30, 77])
    b = right_side(at)[places]
    block = at.hessian(shares(13), "R2", damping=1.0)[places][:, places]
    found = lissa(Restricted(system(at), places, damping=1.0), b, rtol=1e-12)
    torch.testing.assert_close(found.x, torch.linalg.solve(block, b), rtol=0, atol=1e-10)


def test_nothing_to_solve():
    at = some_weights(CASES[0])
    found = lissa(system(at), torch.zeros(51))
    assert torch.equal(found.x, torch.zeros(51, dtype=torch.float64))
    assert (found.residual, found.iterations) == (0.0, 0)


@pytest.mark.parametrize("few", [2, 1000], ids=["lanczos", "dense"])
@every_case
def test_the_ends_of_the_spectrum(case, few, monkeypatch):
    monkeypatch.setattr(lissas, "DENSE_UP_TO", few)
    at = some_weights(case, scale=1.5, l2=0.1)
    values = torch.linalg.eigvalsh(at.hessian(shares(13), "R2", damping=0.3))
    found = matrix_ends(system(at, 0.3))
    close = 1e-5 * float(values[-1])
    assert found.smallest == pytest.approx(float(values[0]), abs=close)
    assert found.largest == pytest.approx(float(values[-1]), abs=close)


def test_a_scale_is_refused_exactly_where_the_iteration_diverges():
    """Half the largest eigenvalue: a little above it converges, a little below it does not."""
    at = some_weights(CASES[0])
    hessian, b = at.hessian(shares(13), "R2", damping=0.5), right_side(at)
    half = float(torch.linalg.eigvalsh(hessian)[-1]) / 2
    assert published(hessian, b, 0.98 * half, 0.0, 4000).norm() > 1e6
    above = lissa(system(at, 0.5), b, scale=1.02 * half, maxiter=4000)
    torch.testing.assert_close(above.x, torch.linalg.solve(hessian, b), rtol=0, atol=1e-8)
    with pytest.raises(UnsolvedError, match=rf"scale: expected one above .*, {half:.4g}, with"):
        lissa(system(at, 0.5), b, scale=0.98 * half)


def test_an_indefinite_matrix_is_refused_with_the_damping_that_will_do():
    at = some_weights(CASES[1], scale=1.5, l2=0.0)
    smallest = float(torch.linalg.eigvalsh(at.hessian(shares(13), "R2"))[0])
    assert smallest < -0.01
    with pytest.raises(UnsolvedError, match="damping: .* LiSSA") as refused:
        lissa(system(at), right_side(at), scale=100.0)
    enough = float(re.search(r"more than (\S+) more", str(refused.value))[1])
    assert enough == pytest.approx(-smallest, rel=0.05)


def test_a_singular_matrix_is_refused():
    at = some_weights(CASES[0], l2=0.0)
    with pytest.raises(UnsolvedError, match="damping: expected one that makes"):
        lissa(system(at), right_side(at))


def test_too_few_iterations():
    at = some_weights(CASES[0])
    with pytest.raises(
        UnsolvedError, match=r"maxiter: .* at most 1e-10 within 3 .* after 3: allow"
    ):
        lissa(system(at), right_side(at), scale=20.0, maxiter=3)


def test_a_spectrum_that_does_not_converge(monkeypatch):
    monkeypatch.setattr(lissas, "DENSE_UP_TO", 2)

    def never(*_, **__):
        raise lissas.ArpackNoConvergence("no convergence after %d", [], [])

    monkeypatch.setattr(lissas, "eigsh", never)
    at = some_weights(CASES[0])
    with pytest.raises(UnsolvedError, match="solver: expected one that needs no eigenvalues here"):
        lissa(system(at), right_side(at))


BAD = {
    "scale: expected a finite number above 0, got -1": {"scale": -1},
    "rtol: expected a finite number above 0, got 0": {"rtol": 0},
    "maxiter: expected an integer of at least 1, got 0": {"maxiter": 0},
    "b: expected shape [51] or [K, 51], got [50]": {"b": torch.zeros(50)},
    "b: expected one right side for LiSSA, got 2": {"b": torch.zeros(2, 51)},
}


@pytest.mark.parametrize("message", BAD)
def test_bad_requests(message):
    at = some_weights(CASES[0])
    with pytest.raises(ValueError, match=re.escape(message)):
        lissa(system(at), **{"b": right_side(at)} | BAD[message])
