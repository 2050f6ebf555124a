"""Logistic regression with a linear term, against its formula."""

import pytest
import torch

import unlearning as ul
from unlearning.problem.linear_noise import TwoClasses, WithLinearTerm

GENERATOR = torch.Generator().manual_seed(4)
X = torch.randn(30, 5, generator=GENERATOR, dtype=torch.float64)
LABELS = torch.randint(2, (30,), generator=GENERATOR)
B = 0.1 * torch.randn(5, generator=GENERATOR, dtype=torch.float64)
SAMPLES = ul.Samples(X, LABELS)
L2 = 0.05


def formula(w):
    margins = (2.0 * LABELS - 1) * (X @ w)
    return (1 + (-margins).exp()).log().mean() + L2 / 2 * w @ w + B @ w


def test_gradient_and_hessian_are_those_of_the_formula():
    objective = WithLinearTerm(TwoClasses(5), B, l2=L2)
    w = torch.linspace(-1, 1, 5, dtype=torch.float64)
    expected = torch.func.grad(formula)(w)
    found, loss = objective.gradient_and_loss(w, X, LABELS)
    torch.testing.assert_close(found + L2 * w, expected, rtol=0, atol=1e-14)
    torch.testing.assert_close(objective.gradient(w, X, LABELS), found, rtol=0, atol=1e-14)
    assert float(loss + L2 / 2 * w @ w) == pytest.approx(float(formula(w)), abs=1e-14)
    hessian = ul.hessian(objective, w, X, LABELS) + L2 * torch.eye(5, dtype=torch.float64)
    torch.testing.assert_close(hessian, torch.func.hessian(formula)(w), rtol=0, atol=1e-14)


def test_its_minimiser():
    found = ul.minimise(WithLinearTerm(TwoClasses(5), B, l2=L2), SAMPLES, tolerance=1e-10)
    assert float(torch.func.grad(formula)(found.weights).norm()) < 1e-9
    plain = ul.minimise(ul.Objective(TwoClasses(5), l2=L2), SAMPLES, tolerance=1e-10)
    assert ul.distance(found.weights, plain.weights) > 0.1


def test_losses_and_accuracy_are_without_the_term():
    objective, w = WithLinearTerm(TwoClasses(5), B), torch.ones(5, dtype=torch.float64)
    plain = ul.Objective(TwoClasses(5))
    assert torch.equal(objective.losses(w, SAMPLES), plain.losses(w, SAMPLES))
    assert objective.accuracy(w, SAMPLES) == float(((X @ w > 0) == (LABELS == 1)).double().mean())


DROPPED = [3, 8, 21, 22]
KEPT = [i for i in range(30) if i not in DROPPED]
SHARE = len(KEPT) / 30  # of the losses that stay
LEFT = {"R1": (1.0, L2), "R2": (SHARE, L2), "R3": (SHARE, L2 / SHARE)}  # factor, then penalty


def retained_gradient(w, factor, l2):
    """Of the mean over the rows that stay, with its whole b, times a factor."""
    margins = (2.0 * LABELS[KEPT] - 1)[:, None] * X[KEPT]
    inner = -(margins * (-(margins @ w)).sigmoid()[:, None]).mean(0)
    return factor * (inner + B + l2 * w)


@pytest.mark.parametrize("convention", LEFT)
def test_of_dropped_rows_the_mean_that_is_left_keeps_its_term(convention):
    factor, l2 = LEFT[convention]
    learned = ul.minimise(WithLinearTerm(TwoClasses(5), B, l2=L2), SAMPLES, tolerance=1e-11)
    change = ul.Change(learned, DROPPED, None, convention=convention)
    expected = retained_gradient(learned.weights, factor, l2)
    torch.testing.assert_close(change.gradient, expected, rtol=0, atol=1e-10)

    alone = WithLinearTerm(TwoClasses(5), B, l2=l2)
    wanted = ul.minimise(alone, SAMPLES[KEPT], tolerance=1e-10).weights
    assert float(retained_gradient(wanted, factor, l2).norm()) < 1e-9
    step = change.correct(order=2).weights
    assert ul.distance(step, wanted) < 0.1 * ul.distance(learned.weights, wanted)
    retrained = ul.minimise(
        learned.objective, SAMPLES, forget=DROPPED, convention=convention, tolerance=1e-10
    )
    assert ul.distance(retrained.weights, wanted) < 1e-7


@pytest.mark.parametrize("term", [B[:4], B.float(), B * torch.nan])
def test_a_term_that_does_not_fit(term):
    with pytest.raises(ValueError, match="term: expected finite numbers"):
        WithLinearTerm(TwoClasses(5), term)
