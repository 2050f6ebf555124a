"""One change that serves many corrections, and what each of them costs."""

import pytest
import torch
from torch import nn

import unlearning as ul
from tests.baselines.points import CASES, At, shares, some_weights
from tests.saps.changes import ALL, ROWS, SOME, gradient_change, new_both, oracle, replaced
from unlearning.base import memory
from unlearning.saps import settings

every_case = pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
DAMPED = {"order": 2, "damping": 2.0}


@every_case
def test_what_it_prepares_by_autodiff(case):
    at = some_weights(case)
    change = ul.Change(at, ROWS, new_both(at))
    expected = gradient_change(at, new_both(at))
    torch.testing.assert_close(change.gradient, expected, rtol=0, atol=1e-12)
    assert torch.equal(change.samples.inputs, replaced(at, new_both(at)).samples.inputs)
    assert torch.equal(change.samples.labels, replaced(at, new_both(at)).samples.labels)
    change.write_out()
    expected = replaced(at, new_both(at)).hessian(ALL, "R2")
    torch.testing.assert_close(change.matrix, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("convention", ul.CONVENTIONS)
@pytest.mark.parametrize("hessian_on", ["corrected", "original"])
def test_the_matrix_that_is_written_out_without_rows(convention, hessian_on):
    at = some_weights(CASES[0])
    change = ul.Change(at, ROWS, None, convention=convention, hessian_on=hessian_on)
    change.write_out()
    share = shares(13, ROWS if hessian_on == "corrected" else ())
    expected = at.hessian(share, convention)
    torch.testing.assert_close(change.matrix, expected, rtol=0, atol=1e-12)


@every_case
def test_one_change_for_many_corrections(case):
    """Sets and dampings after each other, before and after the matrix is written out."""
    at = some_weights(case)
    change = ul.Change(at, ROWS, new_both(at))
    for _ in range(2):
        for places in (SOME, [1, 2], list(range(len(at.weights)))):
            for damping in (2.0, 3.0):
                found = change.correct(order=2, select=places, damping=damping)
                expected = oracle(at, new_both(at), places, damping)
                torch.testing.assert_close(found.weights, expected, rtol=0, atol=1e-8)
        change.write_out()
    assert found.products == 0


def test_the_bill():
    at = some_weights(CASES[0])
    change = ul.Change(at, ROWS, new_both(at))
    assert change.correct(order=2, select=SOME).products == 4
    assert change.correct(order=2).products == 51
    cg = change.correct(order=2, solver="cg")
    assert 0 < cg.iterations < cg.products < 51
    assert cg.residual <= 1e-10
    assert change.system.products == 4 + 51 + cg.products
    lissa = change.correct(order=2, select=SOME, solver="lissa")
    assert lissa.products == 4 + lissa.iterations + 1
    assert change.write_out() == 51
    assert change.write_out() == 0
    assert change.correct(order=2).products == 0
    assert change.correct(order=2, solver="cg").products == cg.products


@every_case
def test_gauss_newton_is_written_out_from_jacobians(case):
    """For three backward passes; conjugate gradients take products instead."""
    at = some_weights(case, l2=0.1)
    change = ul.Change(at, ROWS, new_both(at), curvature="ggn")
    dense = change.correct(order=2, select=SOME, solver="dense")
    assert dense.products == 3
    cg = change.correct(order=2, select=SOME, solver="cg")
    assert cg.products > cg.iterations
    torch.testing.assert_close(dense.weights, cg.weights, rtol=0, atol=1e-6)
    assert change.write_out() == 3
    expected = change.system.dense()
    torch.testing.assert_close(change.matrix, expected, rtol=0, atol=1e-12)
    written = change.correct(order=2, select=SOME)
    torch.testing.assert_close(written.weights, dense.weights, rtol=0, atol=1e-10)


class Recurrent(nn.Module):
    """Reads a 4 x 4 image row by row; there are no Jacobians of its single samples by vmap."""

    def __init__(self):
        super().__init__()
        self.body, self.head = nn.LSTM(4, 2, batch_first=True), nn.Linear(2, 3)

    def forward(self, x):
        return self.head(self.body(x[:, 0])[0][:, -1])


def test_a_model_without_jacobians_of_single_samples_is_multiplied():
    torch.manual_seed(0)
    objective, samples = ul.Objective(Recurrent().double(), l2=0.1), CASES[2].data.train
    at = At(objective, samples, objective.initial_weights)
    found = ul.correct(at, ROWS, new_both(at), order=2, select=SOME, curvature="ggn")
    assert found.products == len(SOME)
    jacobian = torch.autograd.functional.jacobian(
        lambda w: objective.outputs(w, replaced(at, new_both(at)).samples.inputs), at.weights
    )
    p = objective.outputs(at.weights, replaced(at, new_both(at)).samples.inputs).softmax(1)
    curved = torch.diag_embed(p) - p[:, :, None] * p[:, None]
    matrix = torch.einsum("bci,bck,bkj->ij", jacobian, curved, jacobian) / 13
    matrix += 0.1 * torch.eye(len(matrix), dtype=matrix.dtype)
    expected = at.weights.clone()
    gradient = gradient_change(at, new_both(at))
    expected[SOME] -= torch.linalg.solve(matrix[SOME][:, SOME], gradient[SOME])
    torch.testing.assert_close(found.weights, expected, rtol=0, atol=1e-8)


def test_auto_writes_small_matrices_out_and_asks_products_of_others(monkeypatch):
    at = some_weights(CASES[0])
    change = ul.Change(at, ROWS, new_both(at))
    monkeypatch.setitem(settings.DENSE_UP_TO, "hessian", 4)
    monkeypatch.setitem(settings.DENSE_UP_TO, "ggn", 5)
    assert change.correct(order=2, select=SOME).iterations == 0
    assert change.correct(order=2, select=[*SOME, 5]).iterations > 0
    ggn = ul.Change(at, ROWS, new_both(at), curvature="ggn")
    assert ggn.correct(order=2, select=[*SOME, 5]).iterations == 0
    assert ggn.correct(order=2, select=[*SOME, 5, 6]).iterations > 0
    change.write_out()
    assert change.correct(order=2).iterations == 0


def test_a_matrix_that_does_not_fit_into_memory(monkeypatch):
    at = some_weights(CASES[0])
    change = ul.Change(at, ROWS, new_both(at))
    monkeypatch.setattr(memory, "available", lambda device: 40_000)
    with pytest.raises(ValueError, match="solver: expected 'cg' for d = 51"):
        change.write_out()
    assert change.matrix is None
    assert change.correct(order=2, select=SOME).products == 4


def test_what_is_passed_in_is_never_changed():
    at = some_weights(CASES[1])
    corrected = new_both(at)
    before = [
        t.clone() for t in (at.weights, at.samples.inputs, at.samples.labels, corrected.inputs)
    ]
    change = ul.Change(at, ROWS, corrected)
    first, gradient = change.correct(**DAMPED).weights, change.gradient.clone()
    change.write_out()
    change.correct(**DAMPED)
    change.correct(order=1, step_size=1.0)
    after = [at.weights, at.samples.inputs, at.samples.labels, corrected.inputs]
    assert all(torch.equal(*pair) for pair in zip(before, after, strict=True))
    assert torch.equal(change.gradient, gradient)
    torch.testing.assert_close(change.correct(**DAMPED).weights, first, rtol=0, atol=1e-9)
