"""Newton steps and jackknives against closed forms, autodiff and finite sample weights."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import jvp

import unlearning as ul
from tests.baselines.points import (
    CASES,
    GONE,
    At,
    both,
    every_convention,
    learned_ridge,
    removed,
    ridge_minimiser,
    shares,
    some_weights,
)
from unlearning.baselines.newton import infinitesimal_jackknife, newton_step
from unlearning.curvature.solve import UnsolvedError
from unlearning.training.minimise import minimise

# --- quadratics, where one step is exact -----------------------------------------------------


@every_convention
@pytest.mark.parametrize("form", ["one_term", "full"])
@pytest.mark.parametrize("solver", ["dense", "cg"])
def test_newton_is_exact_on_a_quadratic_at_its_minimiser(convention, form, solver):
    """Each convention reaches the minimiser of its own retained objective."""
    learned = learned_ridge()
    share, l2 = shares(13, GONE), learned.objective.l2
    expected = ridge_minimiser(learned.samples, l2, share, convention)
    assert ul.distance(learned.weights, expected) > 0.05
    found = newton_step(learned, GONE, convention=convention, form=form, solver=solver, rtol=1e-12)
    torch.testing.assert_close(found.weights, expected, rtol=0, atol=1e-8)


@given(
    n=st.integers(5, 30),
    features=st.integers(1, 6),
    l2=st.floats(0.01, 2.0),
    seed=st.integers(0, 99),
    convention=st.sampled_from(ul.CONVENTIONS),
    data=st.data(),
)
@settings(max_examples=30, deadline=None)
def test_newton_is_exact_on_any_quadratic(n, features, l2, seed, convention, data):
    """In one term at the minimiser, and in full wherever the weights are."""
    learned = learned_ridge(n=n, features=features, l2=l2, seed=seed)
    forget = data.draw(st.lists(st.integers(0, n - 1), min_size=1, max_size=n - 1, unique=True))
    expected = ridge_minimiser(learned.samples, l2, shares(n, forget), convention)
    found = newton_step(learned, forget, convention=convention)
    torch.testing.assert_close(found.weights, expected, rtol=0, atol=1e-8)
    elsewhere = At(learned.objective, learned.samples, learned.weights + 1.0)
    full = newton_step(elsewhere, forget, convention=convention, form="full")
    torch.testing.assert_close(full.weights, expected, rtol=0, atol=1e-8)
    one_term = newton_step(elsewhere, forget, convention=convention)
    assert ul.distance(one_term.weights, expected) > 0.1


@every_convention
def test_the_jackknife_is_minus_the_derivative_of_the_minimiser(convention):
    learned = learned_ridge()
    direction = shares(13) - shares(13, GONE)

    def minimiser(share):
        return ridge_minimiser(learned.samples, learned.objective.l2, share, convention)

    slope = jvp(minimiser, (shares(13),), (direction,))[1]
    for form in ("one_term", "full"):
        found = infinitesimal_jackknife(learned, GONE, convention=convention, form=form)
        torch.testing.assert_close(found.weights, learned.weights - slope, rtol=0, atol=1e-12)


@every_convention
def test_the_jackknife_of_a_classifier_is_a_quotient_of_differences(convention):
    """Softmax regression minimised again with a little less of the deleted samples' weight."""
    case = CASES[0]
    least = minimise(ul.Objective(case.model, l2=0.7), case.data.train, tolerance=1e-11)
    at = At(least.objective, least.samples, least.weights)
    h = 1e-4
    ends = []
    for moved in (1 - h, 1 + h):
        share = shares(13)
        share[GONE] = moved
        w = least.weights
        for _ in range(4):  # Newton's method on the definition, by autodiff
            here = At(at.objective, at.samples, w)
            step = torch.linalg.solve(
                here.hessian(share, convention), here.gradient(share, convention)
            )
            w = w - step
        ends.append(w)
    expected = least.weights + (ends[0] - ends[1]) / (2 * h)
    found = infinitesimal_jackknife(least, GONE, convention=convention)
    torch.testing.assert_close(found.weights, expected, rtol=0, atol=1e-7)
    assert ul.distance(found.weights, least.weights) > 0.01


# --- the equations away from stationarity ----------------------------------------------------


@every_convention
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_full_newton_step_by_autodiff(case, convention):
    at, share = some_weights(case), shares(13, GONE)
    matrix = at.hessian(share, convention, damping=2.0)
    expected = at.weights - torch.linalg.solve(matrix, at.gradient(share, convention))
    for more in ({}, {"solver": "cg"}, {"batch": 4}):
        found = newton_step(at, GONE, convention=convention, form="full", damping=2.0, **more)
        torch.testing.assert_close(found.weights, expected, rtol=0, atol=1e-9)


@every_convention
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_full_jackknife_by_autodiff(case, convention):
    """The retained gradient, linearised in the shares."""
    at, whole = some_weights(case), shares(13)
    matrix = at.hessian(whole, convention, damping=2.0)
    direction = shares(13, GONE) - whole
    value, slope = jvp(lambda share: at.gradient(share, convention), (whole,), (direction,))
    expected = at.weights - torch.linalg.solve(matrix, value + slope)
    found = infinitesimal_jackknife(at, GONE, convention=convention, form="full", damping=2.0)
    torch.testing.assert_close(found.weights, expected, rtol=0, atol=1e-9)


@every_convention
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_one_term_forms_by_autodiff(case, convention):
    at, share = some_weights(case), shares(13, GONE)
    S, scale = removed(at, convention), 10 if convention == "R1" else 13
    step = torch.linalg.solve(at.hessian(share, convention, damping=2.0), S / scale)
    found = newton_step(at, GONE, convention=convention, damping=2.0)
    torch.testing.assert_close(found.weights, at.weights + step, rtol=0, atol=1e-9)
    step = torch.linalg.solve(at.hessian(shares(13), convention, damping=2.0), S / 13)
    found = infinitesimal_jackknife(at, GONE, convention=convention, damping=2.0)
    torch.testing.assert_close(found.weights, at.weights + step, rtol=0, atol=1e-9)


@both
@every_convention
def test_the_forms_agree_at_a_stationary_point_and_differ_elsewhere(method, convention):
    case = CASES[0]
    objective = ul.Objective(case.model, l2=0.7)
    least = minimise(objective, case.data.train, tolerance=1e-12)
    ends = [
        method(least, GONE, convention=convention, form=f).weights for f in ("one_term", "full")
    ]
    torch.testing.assert_close(*ends, rtol=0, atol=1e-11)
    run = ul.train(objective, case.data.train, ul.Schedule(0.1, batch_size=5))
    ends = [method(run, GONE, convention=convention, form=f).weights for f in ("one_term", "full")]
    assert ul.distance(*ends) > 0.1


@pytest.mark.parametrize("form", ["one_term", "full"])
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_newton_under_r1_and_r2(case, form):
    """The same step wherever the weights are; damping counts n/(n-m) times as much under R2."""
    at = some_weights(case, l2=3.0)
    ends = [newton_step(at, GONE, convention=c, form=form).weights for c in ul.CONVENTIONS]
    torch.testing.assert_close(ends[0], ends[1], rtol=0, atol=1e-10)
    assert ul.distance(ends[1], ends[2]) > 1e-3
    shared = newton_step(at, GONE, convention="R2", form=form, damping=1.0).weights
    whole = newton_step(at, GONE, convention="R1", form=form, damping=1.3).weights
    torch.testing.assert_close(shared, whole, rtol=0, atol=1e-10)


def test_the_jackknife_under_r1_and_r2():
    """The same in one term; in full only where the weights are stationary."""
    at = some_weights(CASES[0])
    ends = [infinitesimal_jackknife(at, GONE, convention=c).weights for c in ul.CONVENTIONS]
    assert torch.equal(ends[0], ends[1])
    assert ul.distance(ends[1], ends[2]) > 1e-3
    full = [infinitesimal_jackknife(at, GONE, convention=c, form="full") for c in ("R1", "R2")]
    assert ul.distance(full[0].weights, full[1].weights) > 1e-3


@both
def test_gauss_newton(method):
    """The Hessian of softmax regression; of a network a matrix that needs no damping."""
    at = some_weights(CASES[0])
    ends = [method(at, GONE, curvature=c).weights for c in ("hessian", "ggn")]
    torch.testing.assert_close(*ends, rtol=0, atol=1e-11)
    at = some_weights(CASES[1], l2=1e-3, scale=1.5)
    for solver in ("dense", "cg"):
        with pytest.raises(UnsolvedError, match="damping: expected one that makes the matrix posi"):
            method(at, GONE, solver=solver)
        assert method(at, GONE, solver=solver, curvature="ggn").residual <= 1e-10


@both
def test_the_bill(method):
    at = some_weights(CASES[0])
    dense, cg = method(at, GONE), method(at, GONE, solver="cg")
    assert (dense.iterations, dense.products) == (0, 51)
    assert 0 < cg.iterations < cg.products < 51
    assert max(dense.residual, cg.residual) <= 1e-10


@both
def test_a_run_of_float32_comes_back_as_float32(method):
    case = CASES[0]
    samples = case.data.train.to(torch.float32)
    model = ul.models.logistic(case.data).float()
    run = ul.train(ul.Objective(model, l2=0.1), samples, ul.Schedule(0.3, batch_size=5))
    found = method(run, GONE).weights
    assert found.dtype == torch.float32
    wide = At(ul.Objective(model.double(), l2=0.1), samples.to(torch.float64), run.weights.double())
    torch.testing.assert_close(found, method(wide, GONE).weights.float(), rtol=0, atol=0)
