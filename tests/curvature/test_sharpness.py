"""Sharpness against dense eigen-decompositions, exact where the objective is a quadratic."""

import pytest
import torch
from scipy.optimize import brentq
from torch import nn

import unlearning as ul
from tests.curvature.oracles import Point, batch
from unlearning.curvature import sharpness
from unlearning.curvature.sharpness import top_curvature, trace, worst_rise

SETS = {"all": None, "some": [7, 0, 3, 9, 4], "one": [5]}
L2 = 0.3


class Quadratic:
    """Linear regression on 12 inputs: F(w) = w^T H w / 2 - b^T w + constant."""

    def __init__(self, stationary):
        generator = torch.Generator().manual_seed(4)
        x = torch.randn(20, 12, generator=generator, dtype=torch.float64)
        y = torch.randn(20, generator=generator, dtype=torch.float64)
        self.samples = ul.Samples(x, y)
        model = nn.Linear(12, 1, bias=False).double()
        self.objective = ul.Objective(model, l2=L2, loss="squared")
        self.hessian = x.T @ x / 20 + L2 * torch.eye(12).double()
        b = x.T @ y / 20
        least = torch.linalg.solve(self.hessian, b)
        self.w = least if stationary else least + torch.linspace(-0.5, 0.5, 12).double()
        self.gradient = self.hessian @ self.w - b

    def within(self, places):
        """Matrix and gradient of the set, numbers of its weights."""
        s = torch.arange(12) if places is None else torch.tensor(places)
        return self.hessian[s][:, s], self.gradient[s], s


def largest_within(matrix, g, rho):
    """max of g.v + v.H v/2 over |v| <= rho: v = (mu - H)^{-1} g with mu above H and |v| = rho."""
    values, vectors = torch.linalg.eigh(matrix)
    parts = vectors.T @ g

    def length(mu):
        return float(torch.linalg.vector_norm(parts / (mu - values))) - rho

    top = float(values[-1])
    mu = brentq(length, top + 1e-9, top + 10 * float(g.norm()) / rho + 1, xtol=1e-14)
    v = parts / (mu - values)
    return float(parts @ v + (values * v * v).sum() / 2)


@pytest.mark.parametrize("places", SETS.values(), ids=SETS)
def test_at_a_minimum_the_rise_is_that_of_the_top_eigenvalue(places):
    problem = Quadratic(stationary=True)
    matrix, _, s = problem.within(places)
    top = float(torch.linalg.eigvalsh(matrix)[-1])
    found = worst_rise(problem.objective, problem.samples, problem.w, 0.7, places)
    assert found.worst == pytest.approx(0.7**2 / 2 * top, rel=1e-9)
    assert found.predicted == pytest.approx(0.7**2 / 2 * top, rel=1e-9)
    assert found.curvature == pytest.approx(top, rel=1e-12)
    assert found.gradient_norm < 1e-12
    assert float(found.displacement.norm()) == pytest.approx(0.7)
    outside = torch.ones(12, dtype=torch.bool)
    outside[s] = False
    assert not found.displacement[outside].any()


@pytest.mark.parametrize("places", SETS.values(), ids=SETS)
def test_away_from_it_the_rise_is_the_largest_of_the_ball(places):
    problem = Quadratic(stationary=False)
    matrix, g, s = problem.within(places)
    for rho in (0.05, 2.0):
        found = worst_rise(problem.objective, problem.samples, problem.w, rho, places, steps=200)
        expected = largest_within(matrix, g, rho)
        assert found.worst == pytest.approx(expected, rel=1e-8)
        assert found.predicted >= expected * (1 - 1e-9)
        size = float(g.norm())
        top = float(torch.linalg.eigvalsh(matrix)[-1])
        assert found.predicted == pytest.approx(rho * size + rho**2 / 2 * top, rel=1e-9)
        v = rho * g / g.norm()
        assert found.first_order == pytest.approx(float(g @ v + v @ matrix @ v / 2), rel=1e-9)
        at = float(g @ found.displacement[s] + found.displacement[s] @ matrix
                   @ found.displacement[s] / 2)  # fmt: skip
        assert found.worst == pytest.approx(at, rel=1e-9)


def test_what_it_costs_is_counted():
    problem = Quadratic(stationary=False)
    found = worst_rise(problem.objective, problem.samples, problem.w, 0.1, steps=4)
    assert found.products == 12  # the block is written out
    assert found.passes == 1 + 1 + 3 * (1 + 4)  # here, SAM's step, three starts with four steps
    found = worst_rise(problem.objective, problem.samples, problem.w, 0.1, [2], steps=0)
    assert (found.products, found.passes) == (1, 5)


class Upside(ul.Objective):
    """The loss turned upside down."""

    def mean_loss(self, w, inputs, labels):
        return -super().mean_loss(w, inputs, labels)


def test_nothing_is_worse_than_a_maximum():
    problem = Quadratic(stationary=True)
    model = nn.Linear(12, 1, bias=False).double()
    objective = Upside(model, l2=0.0, loss="squared")
    x, y = problem.samples.inputs, problem.samples.labels
    w = torch.linalg.lstsq(x, y).solution
    found = worst_rise(objective, problem.samples, w, 0.5)
    assert (found.worst, found.displacement.abs().max()) == (0.0, 0.0)
    assert found.curvature < 0
    assert found.predicted == pytest.approx(0.0, abs=1e-12)
    # One weight, from the far side: the way uphill leads through the middle.
    assert worst_rise(objective, problem.samples, w, 0.5, [3]).worst < 1e-12


def network(model=None):
    inputs, labels = batch(9, (4,))
    layers = (nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 3))
    return Point(nn.Sequential(*layers) if model is None else model, inputs, labels)


def arguments(point):
    return point.objective, ul.Samples(point.inputs, point.labels), point.w


@pytest.mark.parametrize("dense_up_to", [128, 2], ids=["dense", "lanczos"])
@pytest.mark.parametrize("penalty", [True, False])
def test_the_top_eigenvalue_is_that_of_the_dense_block(monkeypatch, dense_up_to, penalty):
    monkeypatch.setattr(sharpness, "_DENSE_UP_TO", dense_up_to)
    point = network()
    matrix = point.hessian() + penalty * point.objective.l2 * torch.eye(len(point.w)).double()
    for places in (None, list(range(0, 50, 3)), [1, 20, 40]):
        s = torch.arange(len(point.w)) if places is None else torch.tensor(places)
        values, vectors = torch.linalg.eigh(matrix[s][:, s])
        found = top_curvature(*arguments(point), places, penalty=penalty)
        assert found.value == pytest.approx(float(values[-1]), rel=1e-8)
        inside = found.direction[s]
        assert float((inside @ vectors[:, -1]).abs()) == pytest.approx(1.0, abs=1e-7)
        assert float(found.direction.norm()) == pytest.approx(1.0)
        assert found.products == len(s) or dense_up_to == 2


def test_dead_weights_have_no_curvature(monkeypatch):
    monkeypatch.setattr(sharpness, "_DENSE_UP_TO", 2)
    point = network()
    point.inputs[:, 0] = 0.0  # the first input feeds the weights 0, 4, 8, ... of the first layer
    found = top_curvature(*arguments(point), [0, 4, 8, 12], penalty=False)
    assert found.value == 0.0
    assert float(found.direction.norm()) == pytest.approx(1.0)
    risen = worst_rise(*arguments(point), 0.3, [0, 4, 8, 12], penalty=False)
    assert (risen.worst, risen.first_order, risen.predicted) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("places", [None, [1, 20, 40]], ids=["all", "some"])
def test_the_trace_is_that_of_the_dense_block(places):
    for model in (None, nn.Sequential(nn.Linear(4, 6), nn.GELU(), nn.Linear(6, 3))):
        point = network(model)
        entries = point.hessian().diagonal()[slice(None) if places is None else places]
        expected = float(entries.sum())
        found = trace(*arguments(point), places, penalty=False)
        assert found == pytest.approx(expected, rel=1e-12)
        found = trace(*arguments(point), places)
        assert found == pytest.approx(expected + point.objective.l2 * len(entries), rel=1e-12)


def test_the_rise_of_a_network_is_above_what_chance_finds():
    point = network()
    objective, samples, w = arguments(point)
    s, rho = torch.arange(0, 50, 2), 0.4

    def value(w):
        return float(objective.losses(w, samples).mean() + objective.l2 / 2 * (w @ w))

    found = worst_rise(objective, samples, w, rho, s, steps=30)
    rise = value(w + found.displacement) - value(w)
    assert found.worst == pytest.approx(rise, rel=1e-12)
    assert float(found.displacement.norm()) <= rho * (1 + 1e-12)
    chance = torch.randn(300, len(s), generator=torch.Generator().manual_seed(0)).double()
    rises = []
    for v in rho * chance / chance.norm(dim=1, keepdim=True):
        moved = w.clone()
        moved[s] += v
        rises.append(value(moved) - value(w))
    assert found.worst >= found.first_order > max(rises)


def test_single_precision_agrees_to_its_digits():
    point = network()
    expected = worst_rise(*arguments(point), 0.2)
    point.objective, point.w = point.objective.to(torch.float32), point.w.float()
    point.inputs = point.inputs.float()
    found = worst_rise(*arguments(point), 0.2, dtype=torch.float32)
    assert found.worst == pytest.approx(expected.worst, rel=1e-3)
    assert found.displacement.dtype == torch.float32


REFUSED = {
    "rho: expected a finite number above 0, got 0.0": {"rho": 0.0},
    "rho: expected a radius within which the objective stays finite, got 1e\\+200": {"rho": 1e200},
    "steps: expected an integer of at least 0, got -1": {"steps": -1},
    "penalty: expected True or False, got 1": {"penalty": 1},
    "indices: expected distinct numbers of weights from 0 to 11, got weight 3 more than once": {
        "indices": [3, 3]
    },
    "indices: .*, got numbers from 12 to 12": {"indices": [12]},
    "dtype: expected one of torch.float64": {"dtype": torch.int64},
}


@pytest.mark.parametrize("message", REFUSED)
def test_bad_values_are_refused_by_name(message):
    problem = Quadratic(stationary=False)
    options = {"rho": 0.1} | REFUSED[message]
    with pytest.raises(ValueError, match=message):
        worst_rise(problem.objective, problem.samples, problem.w, **options)
