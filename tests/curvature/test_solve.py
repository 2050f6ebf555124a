"""Damped Newton systems against dense autodiff, and what is refused."""

import copy
import re

import numpy as np
import pytest
import scipy.sparse.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import unlearning as ul
from tests.cases import cases, random_data
from unlearning.base import memory
from unlearning.curvature import system as systems
from unlearning.curvature.solve import Factor, UnsolvedError, least_damping, solve
from unlearning.curvature.system import System

CASES = cases()
L2, DAMPING = 0.3, 0.05


def point(case, scale=0.3, seed=1):
    generator = torch.Generator().manual_seed(seed)
    objective = ul.Objective(case.model, l2=L2)
    w = torch.randn(objective.dimension, generator=generator, dtype=torch.float64)
    return objective, case.data.train, scale * w


def vectors(count, d, seed=4):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(count, d, generator=generator, dtype=torch.float64)


def written_out(objective, samples, w, a=1.0, p=1.0, damping=0.0):
    """The Hessian of the objective by reverse-mode differentiation of its definition."""

    def value(w):
        losses = nn.functional.cross_entropy(
            objective.outputs(w, samples.inputs), samples.labels, reduction="none"
        )
        return a * losses.mean() + (p * objective.l2 + damping) / 2 * w.square().sum()

    return torch.autograd.functional.hessian(value, w)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_written_out_it_is_the_hessian_of_the_objective(case):
    objective, samples, w = point(case)
    expected = written_out(objective, samples, w)
    found = System(objective, samples, w).dense()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    expected = written_out(objective, samples, w, a=0.7, p=0.4, damping=DAMPING)
    weighted = System(
        objective, samples, w, loss_weight=0.7, penalty_weight=0.4, damping=DAMPING, batch=5
    )
    torch.testing.assert_close(weighted.dense(), expected, rtol=0, atol=1e-12)
    assert weighted.products == len(w)


@given(
    case=st.sampled_from(CASES),
    batch=st.integers(1, 20),
    count=st.integers(0, 40),
    curvature=st.sampled_from(systems.CURVATURES),
)
@settings(max_examples=25, deadline=None)
def test_batches_do_not_change_products(case, batch, count, curvature):
    objective, samples, w = point(case)
    some = vectors(count, len(w))
    whole = System(objective, samples, w, curvature=curvature).multiply(some)
    parts = System(objective, samples, w, curvature=curvature, batch=batch)
    for _ in range(2):  # the second time with what was kept from the first
        torch.testing.assert_close(parts.multiply(some), whole, rtol=0, atol=1e-12)
    assert parts.products == 2 * count


def test_batches_that_take_too_much_memory_are_prepared_again(monkeypatch):
    objective, samples, w = point(CASES[2])
    some = vectors(3, len(w))
    kept = System(objective, samples, w, batch=5)
    expected = kept.multiply(some)
    monkeypatch.setattr(systems, "_KEPT_BYTES", 0)
    again = System(objective, samples, w, batch=5)
    for _ in range(2):
        assert torch.equal(again.multiply(some), expected)
    assert kept._points is not None
    assert again._points is None


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_dense_and_products_alone_agree(case):
    """On a positive definite matrix; each against NumPy's solution with the autodiff Hessian."""
    objective, samples, w = point(case)
    damping = 0.0 if case.name == "logistic" else 1.0
    matrix = written_out(objective, samples, w, damping=damping)
    b = vectors(3, len(w))
    expected = torch.from_numpy(np.linalg.solve(matrix.numpy(), b.T.numpy()).T)
    for solver in ("dense", "cg"):
        found = solve(System(objective, samples, w, damping=damping), b, solver=solver)
        assert (found.x - expected).norm() <= 1e-6 * expected.norm()
        residuals = (b - found.x @ matrix).norm(dim=1) / b.norm(dim=1)
        assert found.residual == pytest.approx(float(residuals.max()), rel=0.1, abs=1e-13)
        assert found.residual <= 1e-10
    one = solve(System(objective, samples, w, damping=damping), b[0], solver="cg")
    assert one.x.shape == w.shape
    assert (one.x - expected[0]).norm() <= 1e-6 * expected[0].norm()
    assert 0 < one.iterations < one.products <= 2 * one.iterations + 2


def test_nothing_to_solve():
    objective, samples, w = point(CASES[0])
    for solver in ("dense", "cg"):
        found = solve(System(objective, samples, w), torch.zeros_like(w), solver=solver)
        assert torch.equal(found.x, torch.zeros_like(w))
        assert (found.residual, found.iterations) == (0.0, 0)


def ill_conditioned(orders):
    """Features over some orders of magnitude, hence the Hessian over twice as many."""
    data = random_data(n=40, shape=(20,))
    scales = torch.logspace(0, orders, 20, dtype=torch.float64)
    samples = ul.Samples(data.train.inputs * scales, data.train.labels)
    objective = ul.Objective(nn.Linear(20, 3).double(), l2=1e-4)
    return objective, samples, torch.zeros(63, dtype=torch.float64)


def test_the_residual_is_the_true_one():
    objective, samples, w = ill_conditioned(1)
    matrix, b = written_out(objective, samples, w), vectors(1, 63)[0]
    found = solve(System(objective, samples, w), b, solver="cg", rtol=1e-8)
    assert float((b - matrix @ found.x).norm() / b.norm()) <= 1.01e-8


def test_convergence_in_name_only_is_refused():
    """The residual that SciPy's iteration keeps falls below rtol, the true one stays far above."""
    objective, samples, w = ill_conditioned(4)
    matrix, b = written_out(objective, samples, w).numpy(), vectors(1, 63)[0]
    x, information = scipy.sparse.linalg.cg(matrix, b.numpy(), rtol=1e-10, maxiter=5000)
    assert information == 0
    assert np.linalg.norm(b.numpy() - matrix @ x) > 1e-8 * float(b.norm())
    with pytest.raises(UnsolvedError, match=r"rtol: .* at most 1e-10 .*: allow a larger one, or a"):
        solve(System(objective, samples, w), b, solver="cg", maxiter=5000)


def test_too_few_iterations():
    objective, samples, w = ill_conditioned(4)
    with pytest.raises(
        UnsolvedError, match=r"maxiter: .* at most 1e-10 within 9 .* after 9: allow"
    ):
        solve(System(objective, samples, w), vectors(1, 63)[0], solver="cg", maxiter=9)


def test_a_residual_that_no_number_of_iterations_reaches():
    objective, samples, w = point(CASES[0])
    with pytest.raises(UnsolvedError, match="expected a residual of at most 1e-30"):
        solve(System(objective, samples, w), vectors(1, len(w))[0], solver="cg", rtol=1e-30)


def indefinite():
    case = CASES[1]
    objective = ul.Objective(case.model)
    _, samples, w = point(case, scale=1.5)
    smallest = float(torch.linalg.eigvalsh(written_out(objective, samples, w))[0])
    assert smallest < -0.01
    return objective, samples, w, smallest


def test_an_indefinite_matrix_is_refused_with_the_damping_that_will_do():
    objective, samples, w, smallest = indefinite()
    b = vectors(1, len(w))[0]
    with pytest.raises(UnsolvedError, match="positive definite, but its smallest") as refused:
        solve(System(objective, samples, w), b)
    assert f"eigenvalue is {smallest:.3g}:" in str(refused.value)
    enough = float(re.search(r": (\S+) more will do", str(refused.value))[1])
    assert -smallest < enough < -1.2 * smallest
    assert solve(System(objective, samples, w, damping=enough), b).residual < 1e-8


def test_a_singular_matrix_is_refused_with_a_damping_above_rounding():
    matrix = torch.ones(6, 6, dtype=torch.float64)
    matrix[0, 0] -= 1e-15  # not even positive semi-definite
    with pytest.raises(UnsolvedError, match="will do") as refused:
        Factor(matrix)
    enough = float(re.search(r": (\S+) more will do", str(refused.value))[1])
    assert 36 * 2.2e-16 < enough < 1e-13  # d times the precision times the norm
    Factor(matrix + enough * torch.eye(6))


def test_a_solution_that_rounding_has_spoilt_is_refused():
    generator = torch.Generator().manual_seed(0)
    basis = torch.linalg.qr(torch.randn(30, 30, generator=generator, dtype=torch.float64))[0]
    values = torch.logspace(0, -15.3, 30, dtype=torch.float64)
    matrix = ((basis * values) @ basis.T + 1e-15 * torch.eye(30)).tril()
    matrix = matrix + matrix.tril(-1).T
    with pytest.raises(UnsolvedError, match="damping: expected one with which the residual falls"):
        Factor(matrix).solve(basis[:, -1])


def test_products_alone_notice_negative_curvature():
    objective, samples, w, smallest = indefinite()
    b = vectors(1, len(w))[0]
    with pytest.raises(UnsolvedError, match="along a direction its curvature is -") as refused:
        solve(System(objective, samples, w), b, solver="cg")
    least = float(re.search(r"more than (\S+) more is needed", str(refused.value))[1])
    assert 0 < least <= -1.001 * smallest


def test_the_least_damping_that_can_be_solved():
    objective, samples, w, smallest = indefinite()
    b = vectors(1, len(w))[0]

    def attempt(damping):
        return solve(System(objective, samples, w, damping=damping), b)

    candidates = [-4 * smallest, 0.0, -0.5 * smallest, -2 * smallest]
    damping, found = least_damping(attempt, candidates)
    assert damping == -2 * smallest
    assert found.residual < 1e-8
    with pytest.raises(UnsolvedError, match="positive definite"):
        least_damping(attempt, [0.0, -0.5 * smallest])
    with pytest.raises(ValueError, match="candidates: expected at least one damping, got none"):
        least_damping(attempt, [])


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_gauss_newton_is_the_jacobian_around_the_curvature_at_the_outputs(case):
    objective, samples, w = point(case, scale=1.5)
    jacobian = torch.autograd.functional.jacobian(lambda w: objective.outputs(w, samples.inputs), w)
    p = objective.outputs(w, samples.inputs).softmax(1)
    curved = torch.diag_embed(p) - p[:, :, None] * p[:, None]
    expected = torch.einsum("bci,bck,bkj->ij", jacobian, curved, jacobian) / len(samples)
    found = System(objective, samples, w, curvature="ggn", penalty_weight=0.0, batch=5).dense()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    hessian = System(objective, samples, w, penalty_weight=0.0).dense()
    if case.name == "logistic":
        torch.testing.assert_close(found, hessian, rtol=0, atol=1e-12)
    else:
        assert float(torch.linalg.eigvalsh(hessian)[0]) < -1e-3
        assert float(torch.linalg.eigvalsh(found)[0]) > -1e-12


class Flat(nn.Module):
    """A regressor whose outputs have shape [b]."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()

    def forward(self, x):
        return self.body(x)[:, 0]


@pytest.mark.parametrize("outputs", ["[b, 1]", "[b]"])
def test_gauss_newton_of_the_squared_loss(outputs):
    flat = Flat()
    objective = ul.Objective(flat if outputs == "[b]" else flat.body, l2=L2, loss="squared")
    inputs = vectors(6, 3)
    samples = ul.Samples(inputs, inputs.sum(1))
    w = objective.initial_weights
    jacobian = torch.autograd.functional.jacobian(
        lambda w: objective.outputs(w, inputs).reshape(6), w
    )
    expected = jacobian.T @ jacobian / 6 + L2 * torch.eye(len(w), dtype=w.dtype)
    found = System(objective, samples, w, curvature="ggn").dense()
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-13)


def test_gauss_newton_needs_a_loss_that_it_knows():
    class Own(ul.Objective):
        pass

    _, samples, w = point(CASES[0])
    own = Own(CASES[0].model)
    with pytest.raises(ValueError, match="curvature: expected 'hessian' for an objective with a"):
        System(own, samples, w, curvature="ggn").multiply(w[None])


def test_weights_of_float32_are_solved_for_in_float64():
    """Also with buffers in the model, which must follow; the run's own objective stays as it is."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Softplus(), nn.Linear(4, 2))
    model[1].running_mean.normal_()
    inputs, labels = vectors(9, 3).float(), torch.arange(9) % 2
    objective = ul.Objective(model, l2=1.0)
    w = objective.initial_weights
    b = vectors(1, len(w))[0]
    found = solve(System(objective, ul.Samples(inputs, labels), w), b.float())
    double = ul.Objective(copy.deepcopy(model).double(), l2=1.0)
    wide = written_out(double, ul.Samples(inputs.double(), labels), w.double())
    expected = torch.linalg.solve(wide, b.float().double())
    torch.testing.assert_close(found.x, expected, rtol=1e-10, atol=0)
    assert objective.module(w)[1].running_mean.dtype == torch.float32
    narrow = solve(
        System(objective, ul.Samples(inputs, labels), w, dtype=torch.float32), b,
        solver="cg", rtol=1e-5,
    )  # fmt: skip
    assert narrow.x.dtype == torch.float32
    torch.testing.assert_close(narrow.x.double(), expected, rtol=1e-3, atol=1e-4)


def test_a_matrix_that_does_not_fit_into_memory(monkeypatch):
    objective, samples, w = point(CASES[0])
    monkeypatch.setattr(memory, "available", lambda device: 40_000)
    with pytest.raises(ValueError, match=r"solver: expected 'cg' for d = 51, .*40.6 KiB, got 'de"):
        solve(System(objective, samples, w), w)
    assert solve(System(objective, samples, w), w, solver="cg").residual <= 1e-10


BAD_SYSTEMS = {
    "damping: expected a finite number of at least 0, got -1": {"damping": -1},
    "curvature: expected one of hessian, ggn, got 'fisher'": {"curvature": "fisher"},
    "loss_weight: expected a finite number above 0, got 0": {"loss_weight": 0},
    "penalty_weight: expected a finite number of at least 0, got nan": {
        "penalty_weight": float("nan")
    },
    "dtype: expected one of torch.float64, torch.float32, got torch.int64": {"dtype": torch.int64},
    "batch: expected an integer of at least 1, got 0": {"batch": 0},
    "w: expected a tensor of shape [51], got [50]": {"w": torch.zeros(50)},
    "w: expected finite numbers, got NaN or infinity": {"w": torch.full((51,), torch.nan)},
}


@pytest.mark.parametrize("message", BAD_SYSTEMS)
def test_bad_systems(message):
    objective, samples, w = point(CASES[0])
    with pytest.raises(ValueError, match=re.escape(message)):
        System(**{"objective": objective, "samples": samples, "w": w} | BAD_SYSTEMS[message])


BAD_REQUESTS = {
    "b: expected shape [51] or [K, 51], got [50]": {"b": torch.zeros(50)},
    "b: expected shape [51] or [K, 51], got [0, 51]": {"b": torch.zeros(0, 51)},
    "b: expected finite numbers, got NaN": {"b": torch.full((51,), torch.inf)},
    "solver: expected one of dense, cg, got 'lu'": {"solver": "lu"},
    "rtol: expected a finite number above 0, got 0": {"rtol": 0},
    "maxiter: expected an integer of at least 1, got 2.5": {"maxiter": 2.5},
}


@pytest.mark.parametrize("message", BAD_REQUESTS)
def test_bad_requests(message):
    objective, samples, w = point(CASES[0])
    with pytest.raises(ValueError, match=re.escape(message)):
        solve(System(objective, samples, w), **{"b": w} | BAD_REQUESTS[message])


def test_products_take_vectors_of_the_systems_own_kind():
    objective, samples, w = point(CASES[0])
    for wrong in (w, w[None, 1:], w[None].float()):
        with pytest.raises(ValueError, match=r"vectors: expected torch.float64 of shape \[K, 51\]"):
            System(objective, samples, w).multiply(wrong)
