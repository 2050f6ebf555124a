"""Corrections against dense autodiff, and where the second order is exact."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import unlearning as ul
from tests.baselines.points import (
    CASES,
    At,
    learned_ridge,
    ridge_minimiser,
    shares,
    some_weights,
)
from tests.saps.changes import (
    ALL,
    CHANGES,
    ROWS,
    SOME,
    corrected_ridge,
    gradient_change,
    new_both,
    oracle,
    replaced,
)

every_case = pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
every_change = pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
every_set = pytest.mark.parametrize("select", [None, SOME], ids=["all", "some"])
every_convention = pytest.mark.parametrize("convention", ul.CONVENTIONS)


def places_of(select, d):
    return list(range(d)) if select is None else select


# --- the equations, by automatic differentiation ----------------------------------------------


@every_case
@every_change
@every_set
def test_second_order_by_autodiff(case, change, select):
    at = some_weights(case)
    corrected, places = change(at), places_of(select, len(at.weights))
    expected = oracle(at, corrected, places, damping=2.0)
    for more in ({}, {"solver": "dense"}, {"solver": "dense", "batch": 4}):
        found = ul.correct(at, ROWS, corrected, order=2, select=select, damping=2.0, **more)
        torch.testing.assert_close(found.weights, expected, rtol=0, atol=1e-8)
        assert found.moved == len(places)
    for solver in ("cg", "lissa"):
        found = ul.correct(at, ROWS, corrected, order=2, select=select, damping=2.0, solver=solver)
        torch.testing.assert_close(found.weights, expected, rtol=0, atol=1e-6)
    shortcut = {"order": 2, "select": select, "damping": 2.0, "hessian_on": "original"}
    expected = oracle(at, corrected, places, damping=2.0, hessian_of="original")
    found = ul.correct(at, ROWS, corrected, **shortcut)
    torch.testing.assert_close(found.weights, expected, rtol=0, atol=1e-8)


@every_case
@every_change
@every_set
def test_first_order_by_autodiff(case, change, select):
    at = some_weights(case)
    corrected, places = change(at), places_of(select, len(at.weights))
    expected = at.weights.clone()
    expected[places] -= 0.7 * gradient_change(at, corrected)[places]
    found = ul.correct(at, ROWS, corrected, order=1, step_size=0.7, select=select)
    torch.testing.assert_close(found.weights, expected, rtol=0, atol=1e-12)
    assert (found.products, found.iterations, found.residual) == (0, 0, 0.0)


@every_case
@pytest.mark.parametrize("how", [{"order": 1, "step_size": 0.7}, {"order": 2, "damping": 2.0}])
def test_the_rest_stays_as_it_was_to_the_bit(case, how):
    at = some_weights(case)
    before = at.weights.clone()
    found = ul.correct(at, ROWS, new_both(at), select=SOME, **how).weights
    moved = (found != before).nonzero()[:, 0].tolist()
    assert moved == sorted(SOME)
    assert torch.equal(at.weights, before)


@every_case
def test_gauss_newton_needs_no_damping(case):
    """The Gauss-Newton matrix written out from the Jacobian; of softmax regression the Hessian."""
    at = some_weights(case, l2=1e-2, scale=1.5)
    corrected = new_both(at)
    new = replaced(at, corrected)
    jacobian = torch.autograd.functional.jacobian(
        lambda w: at.objective.outputs(w, new.samples.inputs), at.weights
    )
    p = at.objective.outputs(at.weights, new.samples.inputs).softmax(1)
    curved = torch.diag_embed(p) - p[:, :, None] * p[:, None]
    matrix = torch.einsum("bci,bck,bkj->ij", jacobian, curved, jacobian) / 13
    block = (matrix + 1e-2 * torch.eye(len(matrix), dtype=matrix.dtype))[SOME][:, SOME]
    expected = at.weights.clone()
    expected[SOME] -= torch.linalg.solve(block, gradient_change(at, corrected)[SOME])
    found = ul.correct(at, ROWS, corrected, order=2, select=SOME, curvature="ggn")
    torch.testing.assert_close(found.weights, expected, rtol=0, atol=1e-8)


# --- rows that are dropped --------------------------------------------------------------------


@every_convention
@every_case
def test_dropping_rows_is_the_newton_step_or_the_jackknife(case, convention):
    at = some_weights(case)
    both = {"corrected": ul.newton_step, "original": ul.infinitesimal_jackknife}
    for hessian_on, method in both.items():
        expected = method(at, ROWS, convention=convention, damping=2.0).weights
        found = ul.correct(
            at, ROWS, None, order=2, convention=convention, damping=2.0, hessian_on=hessian_on
        )
        torch.testing.assert_close(found.weights, expected, rtol=0, atol=1e-10)


@every_convention
@every_set
def test_dropping_rows_at_a_minimum_by_autodiff(convention, select):
    """There G is the gradient of what is left, from the definition of each convention."""
    case = CASES[0]
    least = ul.minimise(ul.Objective(case.model, l2=0.7), case.data.train, tolerance=1e-12)
    at = At(least.objective, least.samples, least.weights)
    share, places = shares(13, ROWS), places_of(select, len(at.weights))
    gradient = at.gradient(share, convention)[places]
    block = at.hessian(share, convention)[places][:, places]
    for how, step in (
        ({"order": 1, "step_size": 0.7}, 0.7 * gradient),
        ({"order": 2}, torch.linalg.solve(block, gradient)),
    ):
        expected = at.weights.clone()
        expected[places] -= step
        found = ul.correct(least, ROWS, None, convention=convention, select=select, **how)
        torch.testing.assert_close(found.weights, expected, rtol=0, atol=1e-10)


# --- quadratics -------------------------------------------------------------------------------


def on_places(at, minimiser_of, places):
    """The minimiser over ``w + span(S)`` by the normal equations of its columns alone."""
    n = len(minimiser_of)
    x = torch.cat([minimiser_of.inputs, torch.ones(n, 1, dtype=torch.float64)], 1)
    matrix = x.T @ x / n + at.objective.l2 * torch.eye(x.shape[1], dtype=x.dtype)
    right = x.T @ minimiser_of.labels / n
    rest = [i for i in range(len(matrix)) if i not in places]
    weights = at.weights.clone()
    side = right[places] - matrix[places][:, rest] @ weights[rest]
    weights[places] = torch.linalg.solve(matrix[places][:, places], side)
    return weights


@given(
    n=st.integers(13, 30), features=st.integers(1, 6), l2=st.floats(0.01, 2.0),
    seed=st.integers(0, 99), data=st.data(),
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_second_order_is_exact_on_any_quadratic_at_its_minimiser(n, features, l2, seed, data):
    at = learned_ridge(n=n, features=features, l2=l2, seed=seed)
    corrected = corrected_ridge(at, seed)
    after = replaced(at, corrected).samples
    found = ul.correct(at, ROWS, corrected, order=2).weights
    expected = ridge_minimiser(after, l2, shares(n), "R2")
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-8)
    numbers = st.integers(0, features)
    places = sorted(data.draw(st.lists(numbers, min_size=1, unique=True)))
    found = ul.correct(at, ROWS, corrected, order=2, select=places).weights
    torch.testing.assert_close(found, on_places(at, after, places), rtol=0, atol=1e-8)


def test_second_order_is_not_exact_outside_those_conditions():
    at = learned_ridge()
    corrected = corrected_ridge(at)
    after = replaced(at, corrected).samples
    expected = ridge_minimiser(after, at.objective.l2, ALL, "R2")
    nothing = ul.distance(at.weights, expected)
    exact = ul.distance(ul.correct(at, ROWS, corrected, order=2).weights, expected)
    assert exact < 1e-12 < nothing
    elsewhere = At(at.objective, at.samples, at.weights + 0.5)
    outside = {
        "the original data's Hessian": (at, {"order": 2, "hessian_on": "original"}),
        "damping": (at, {"order": 2, "damping": 0.1}),
        "not all weights": (at, {"order": 2, "select": [0, 2]}),
        "not at the minimiser": (elsewhere, {"order": 2}),
    }
    for name, (start, how) in outside.items():
        found = ul.correct(start, ROWS, corrected, **how).weights
        assert ul.distance(found, expected) > 0.02 * nothing, name
    steps = [0.01 * 1.1**i for i in range(80)]
    first = [ul.correct(at, ROWS, corrected, order=1, step_size=s).weights for s in steps]
    assert min(ul.distance(w, expected) for w in first) > 0.1 * nothing


def test_first_order_is_exact_where_the_hessian_is_a_multiple_of_the_identity():
    """Two rows on each axis in turn: the Hessian on the corrected data is 1/2 + l2 times I."""
    inputs = torch.tensor([[2.0, 0], [0, 1.0], [1.0, 0], [0, 1.0]], dtype=torch.float64)
    labels = torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=torch.float64)
    model = torch.nn.Linear(2, 1, bias=False).double()
    objective = ul.Objective(model, l2=0.3, loss="squared")
    least = ul.minimise(objective, ul.Samples(inputs, labels), tolerance=1e-13)
    new = ul.Samples(torch.tensor([[1.0, 0]], dtype=torch.float64), labels[:1])
    found = ul.correct(least, [0], new, order=1, step_size=1 / 0.8)
    after = torch.cat([new.inputs, inputs[1:]])
    expected = torch.linalg.solve(0.8 * torch.eye(2, dtype=torch.float64), after.T @ labels / 4)
    torch.testing.assert_close(found.weights, expected, rtol=0, atol=1e-12)


# --- learned weights of every kind ------------------------------------------------------------


def test_a_classifier_comes_near_to_its_new_minimum():
    """Softmax regression is no quadratic: the error falls as the square of the change."""
    case = CASES[0]
    objective = ul.Objective(case.model, l2=0.7)
    least = ul.minimise(objective, case.data.train, tolerance=1e-12)
    errors = []
    for size in (0.1, 0.01, 0.001):
        rows = case.data.train[ROWS]
        corrected = ul.Samples(rows.inputs * (1 + size), rows.labels)
        new = replaced(At(objective, case.data.train, least.weights), corrected).samples
        expected = ul.minimise(objective, new, tolerance=1e-12).weights
        found = ul.correct(least, ROWS, corrected, order=2).weights
        errors.append(ul.distance(found, expected))
    assert errors[0] > 1e-6
    assert errors[1] < errors[0] / 90
    assert errors[2] < errors[1] / 90


def test_a_run_of_float32_comes_back_as_float32():
    case = CASES[0]
    samples = case.data.train.to(torch.float32)
    model = ul.models.logistic(case.data).float()
    run = ul.train(ul.Objective(model, l2=0.1), samples, ul.Schedule(0.3, batch_size=5))
    wide = At(ul.Objective(model.double(), l2=0.1), samples.to(torch.float64), run.weights.double())
    for how in ({"order": 1, "step_size": 0.5}, {"order": 2}):
        found = ul.correct(run, ROWS, new_both(run), select=SOME, **how).weights
        assert found.dtype == torch.float32
        expected = ul.correct(wide, ROWS, new_both(wide), select=SOME, **how).weights.float()
        torch.testing.assert_close(found, expected, rtol=0, atol=0)
    narrow = ul.correct(run, ROWS, new_both(run), order=2, dtype=torch.float32).weights
    double = ul.correct(run, ROWS, new_both(run), order=2).weights
    torch.testing.assert_close(narrow, double, rtol=0, atol=1e-4)


@pytest.mark.parametrize("as_given", [list, tuple, torch.tensor, lambda s: torch.tensor(s).numpy()])
def test_sets_in_every_form(as_given):
    at = some_weights(CASES[0])
    expected = ul.correct(at, ROWS, new_both(at), order=2, select=SOME).weights
    mask = torch.zeros(51, dtype=torch.bool)
    mask[SOME] = True
    for select in (as_given(SOME), mask, mask.numpy(), mask.tolist()):
        found = ul.correct(at, ROWS, new_both(at), order=2, select=select).weights
        assert torch.equal(found, expected)


def test_rows_in_another_order_with_their_corrections():
    at = some_weights(CASES[0])
    corrected = new_both(at)
    expected = ul.correct(at, ROWS, corrected, order=2).weights
    turned = ul.correct(at, ROWS[::-1], corrected[[2, 1, 0]], order=2).weights
    torch.testing.assert_close(turned, expected, rtol=0, atol=1e-13)


def test_nothing_has_changed():
    at = some_weights(CASES[0])
    for how in ({"order": 1, "step_size": 0.5}, {"order": 2}, {"order": 2, "solver": "lissa"}):
        found = ul.correct(at, ROWS, at.samples[ROWS], **how)
        assert torch.equal(found.weights, at.weights)
