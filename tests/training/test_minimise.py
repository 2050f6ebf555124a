"""Minimisers against closed forms and scikit-learn, and what is left after a deletion."""

import re

import pytest
import torch
from scipy.optimize import check_grad
from sklearn.linear_model import LogisticRegression
from torch import nn

import unlearning as ul
from tests.cases import random_data
from unlearning.training.minimise import _Function, minimise
from unlearning.training.retained import retained

L2 = 0.2
GONE = [2, 7, 12]


def ridge():
    """Linear regression with bias; inputs with their constant 1 last, as the weights have it."""
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(13, 4, generator=generator, dtype=torch.float64)
    targets = torch.randn(13, generator=generator, dtype=torch.float64)
    torch.manual_seed(0)
    objective = ul.Objective(nn.Linear(4, 1).double(), l2=L2, loss="squared")
    return objective, ul.Samples(inputs, targets), torch.cat([inputs, torch.ones(13, 1)], 1)


def closed_form(convention, forget):
    """The minimiser of what is left, from the normal equations."""
    _, samples, x = ridge()
    kept = [i for i in range(13) if i not in forget]
    x, y = x[kept].double(), samples.labels[kept]
    penalty = {"R1": L2 * len(kept), "R2": L2 * len(kept), "R3": L2 * 13}[convention]
    return torch.linalg.solve(x.T @ x + penalty * torch.eye(5, dtype=x.dtype), x.T @ y)


@pytest.mark.parametrize("convention", ul.CONVENTIONS)
@pytest.mark.parametrize("forget", [[], GONE], ids=["whole", "without some"])
def test_ridge(convention, forget):
    objective, samples, _ = ridge()
    found = minimise(objective, samples, forget=forget, convention=convention, tolerance=1e-11)
    expected = closed_form(convention, forget)
    torch.testing.assert_close(found.weights, expected, rtol=0, atol=1e-10)
    assert found.gradient_norm <= 1e-11
    assert found.iterations > 0
    assert (found.objective, found.samples) == (objective, samples)


def test_softmax_regression_as_scikit_learn_fits_it():
    data = random_data(n=60, shape=(5,))
    objective = ul.Objective(nn.Linear(5, 3, bias=False).double(), l2=L2)
    found = minimise(objective, data.train, tolerance=1e-10)
    other = LogisticRegression(C=1 / (60 * L2), fit_intercept=False, tol=1e-12, max_iter=5000)
    other.fit(data.train.inputs.numpy(), data.train.labels.numpy())
    expected = torch.from_numpy(other.coef_).reshape(-1)
    torch.testing.assert_close(found.weights, expected, rtol=0, atol=1e-6)


def test_from_afar_and_without_some():
    """Far from the minimum, where Newton's method alone would not get there."""
    data = random_data(n=20, shape=(5,))
    objective = ul.Objective(nn.Linear(5, 3).double(), l2=0.05)
    start = 30 * torch.randn(18, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    found = minimise(objective, data.train, forget=GONE, start=start).weights.requires_grad_()
    kept = [i for i in range(20) if i not in GONE]
    outputs = objective.outputs(found, data.train.inputs[kept])
    losses = nn.functional.cross_entropy(outputs, data.train.labels[kept], reduction="none")
    value = (losses + 0.05 / 2 * found.square().sum()).sum() / 20
    assert float(torch.autograd.grad(value, found)[0].norm()) <= 1e-8


@pytest.mark.parametrize("convention", ul.CONVENTIONS)
def test_its_values_have_its_gradients(convention):
    """L-BFGS is given both, and Newton's last digits would hide a slip in the values."""
    objective, samples, _ = ridge()
    w = torch.arange(5, dtype=torch.float64)
    function = _Function(objective, samples, retained(13, GONE, convention), w)
    error = check_grad(lambda v: function(v)[0], lambda v: function(v)[1], w.numpy())
    assert error < 1e-5


def test_it_starts_where_it_is_told_and_in_float64():
    data = random_data(n=20, shape=(5,))
    samples = data.train.to(torch.float32)
    objective = ul.Objective(nn.Linear(5, 3), l2=L2)
    found = minimise(objective, samples, start=torch.ones(18))
    assert found.weights.dtype == torch.float64
    again = minimise(objective, samples, start=found.weights)
    assert again.iterations == 0
    assert torch.equal(again.weights, found.weights)


def test_what_is_left():
    for convention, weights in {"R1": (1, 1), "R2": (0.7, 0.7), "R3": (0.7, 1)}.items():
        left = retained(10, [1, 5, 9], convention)
        assert left.kept == [0, 2, 3, 4, 6, 7, 8]
        assert (left.loss_weight, left.penalty_weight) == weights


BAD = {
    "convention: expected one of R1, R2, R3, got 'R4'": {"convention": "R4"},
    "forget: expected an integer from 0 to 12 (a sample), got 13": {"forget": [13]},
    "tolerance: expected a finite number above 0, got 0": {"tolerance": 0},
    "maxiter: expected an integer of at least 1, got 0": {"maxiter": 0},
    "w: expected a tensor of shape [5], got [4]": {"start": torch.zeros(4)},
}


@pytest.mark.parametrize("message", BAD)
def test_bad_requests(message):
    objective, samples, _ = ridge()
    with pytest.raises(ValueError, match=re.escape(message)):
        minimise(objective, samples, **BAD[message])


def test_a_minimum_at_infinity_is_not_reached():
    """Without a penalty, separable classes are fitted ever better by ever larger weights."""
    data = random_data(n=6, shape=(8,))
    objective = ul.Objective(nn.Linear(8, 3).double())
    wanted = r"tolerance: expected a gradient norm of at most 1e-08 to be reached, got \S+ after 2 "
    with pytest.raises(ValueError, match=wanted):
        minimise(objective, data.train, maxiter=2)
