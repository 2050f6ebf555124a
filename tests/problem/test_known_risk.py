"""Known population risks, against the whole population written out, differentiated by autograd."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import integrate
from torch.nn import functional

import unlearning as ul
from unlearning.problem.known_risk import KnownRisk

PROBLEMS = [
    KnownRisk("squared", 4, 0.2, 1.3, 0.4),
    KnownRisk("cross_entropy", 4, 0.2, 1.3),
    KnownRisk("cross_entropy", 3, 0.05, 3.0),
]


def population(problem):
    """Every input and label with its probability: written from the definition alone."""
    p, rows = problem.features, []
    for signs in itertools.product((-1, 1), repeat=p):
        x = [s / math.sqrt(p) for s in signs]
        value = sum(x) * problem.signal / math.sqrt(p)
        if problem.loss == "squared":
            rows += [(x, value + problem.target_noise, 0.5), (x, value - problem.target_noise, 0.5)]
        else:
            chance = 1 / (1 + math.exp(-value))
            rows += [(x, 0, 1 - chance), (x, 1, chance)]
    x, y, weight = zip(*rows, strict=True)
    real = torch.float64 if problem.loss == "squared" else torch.int64
    weight = torch.tensor(weight, dtype=torch.float64) / 2**p
    return torch.tensor(x, dtype=torch.float64), torch.tensor(y, dtype=real), weight


def losses(problem, w, x, y):
    if problem.loss == "squared":
        return (x @ w - y).square() / 2
    return functional.cross_entropy(x @ w.view(2, -1).T, y, reduction="none")


def risk(problem):
    x, y, weight = population(problem)
    return lambda w: losses(problem, w, x, y) @ weight + problem.l2 / 2 * w @ w


def point(problem, seed, size=1.0):
    generator = torch.Generator().manual_seed(seed)
    return size * torch.randn(problem.dimension, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_the_best_weights_and_the_excess_are_those_of_the_whole_population(problem):
    f = risk(problem)
    slope = torch.func.grad(f)(problem.best)
    assert float(slope.norm()) < 1e-14
    for seed in range(3):
        w = point(problem, seed)
        assert problem.excess(w) == pytest.approx(float(f(w) - f(problem.best)), rel=1e-12)


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_variance_and_leading_term_are_those_of_the_whole_population(problem):
    x, y, weight = population(problem)

    def one(w, x, y):
        return losses(problem, w, x[None], y[None])[0] + problem.l2 / 2 * w @ w

    slopes = torch.func.vmap(torch.func.grad(one), (None, 0, 0))(problem.best, x, y)
    assert problem.constants.variance == pytest.approx(float(slopes.square().sum(1) @ weight))
    hessian = torch.func.hessian(risk(problem))(problem.best)
    covariance = (slopes * weight[:, None]).T @ slopes
    expected = torch.linalg.solve(hessian, covariance).trace() / 2
    assert problem.leading == pytest.approx(float(expected))


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_no_point_exceeds_the_constants(problem):
    c, (x, y, _) = problem.constants, population(problem)
    hessian_of = torch.func.hessian(risk(problem))
    seen = {"slope": 0.0, "curvature": 0.0, "risk": 0.0, "trace": 0.0}
    points = [torch.zeros(problem.dimension, dtype=torch.float64), problem.best]
    for size in (0.3, 1.0, 3.0):
        points += [point(problem, seed, size) for seed in range(4)]

    def one(w, x, y):
        return losses(problem, w, x[None], y[None])[0]

    curved = torch.func.vmap(torch.func.hessian(one), (None, 0, 0))
    sloped = torch.func.vmap(torch.func.grad(one), (None, 0, 0))
    for w in points:
        hessian, each = hessian_of(w), torch.linalg.eigvalsh(curved(w, x, y))
        inside = w * min(1.0, c.ball / max(float(w.norm()), 1e-9))
        for name, value in {
            "risk": torch.linalg.eigvalsh(hessian)[-1],
            "trace": hessian.trace(),
            "curvature": each.max() + problem.l2,
            "slope": sloped(inside, x, y).norm(dim=1).max(),
        }.items():
            seen[name] = max(seen[name], float(value))
    limits = {"slope": c.slope, "curvature": c.curvature, "risk": c.risk_curvature,
              "trace": c.risk_trace}  # fmt: skip
    for name, value in seen.items():
        assert 0.4 * limits[name] < value <= limits[name] * (1 + 1e-12), name


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_descent_and_minimiser_stay_in_the_ball(problem):
    n, objective = 30, problem.objective()
    longest = 0.0
    for seed in range(5):
        samples = problem.draw(n, seed=seed)
        schedule = ul.Schedule(1 / problem.constants.curvature, batch_size=n, epochs=60)
        run = ul.train(objective, samples, schedule)
        ends = [run.weights_at(t) for t in range(len(run))]
        ends.append(ul.minimise(objective, samples).weights)
        longest = max(longest, *(float(w.norm()) for w in ends))
    assert 0.1 * problem.constants.ball < longest < problem.constants.ball


@pytest.mark.parametrize("sigma", [0.05, 1.0, 6.0])
def test_noise_costs_what_an_integral_over_it_says(sigma):
    """The two-class loss sees the noise as one normal number per input."""
    problem = PROBLEMS[1]
    x, y, weight = population(problem)
    w, expected = point(problem, 0), 0.0
    for row, label, share in zip(x, y, weight, strict=True):
        z = float(row @ (w[4:] - w[:4])) * (1 if label else -1)

        def part(t, z=z):
            return np.logaddexp(0, -(z + 2**0.5 * sigma * t)) * math.exp(-t * t / 2)

        cuts = [-z / 2**0.5 / sigma]
        value = integrate.quad(part, -12, 12, points=cuts, limit=200)[0] / math.sqrt(2 * math.pi)
        expected += float(share) * value
    expected += problem.l2 / 2 * (float(w @ w) + 8 * sigma**2)
    expected -= float(risk(problem)(problem.best))
    assert problem.excess(w, sigma=sigma) == pytest.approx(expected, rel=1e-4)


def test_noise_on_the_squared_loss_by_monte_carlo():
    problem, f = PROBLEMS[0], risk(PROBLEMS[0])
    w, generator = point(problem, 0), torch.Generator().manual_seed(1)
    noise = 0.7 * torch.randn(20000, 4, generator=generator, dtype=torch.float64)
    risks = torch.func.vmap(f)(w + noise) - f(problem.best)
    error = float(risks.std()) / 20000**0.5
    assert problem.excess(w, sigma=0.7) == pytest.approx(float(risks.mean()), abs=4 * error)


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_samples_are_drawn_from_the_population(problem):
    samples = problem.draw(40000, seed=0)
    assert torch.allclose(samples.inputs.norm(dim=1), torch.ones(40000, dtype=torch.float64))
    w = point(problem, 3)
    found = problem.objective().losses(w, samples)
    expected = float(risk(problem)(w)) - problem.l2 / 2 * float(w @ w)
    assert float(found.mean()) == pytest.approx(expected, abs=4 * float(found.std()) / 200)
    again, other = problem.draw(50, seed=5), problem.draw(50, seed=6)
    assert torch.equal(again.inputs, problem.draw(50, seed=5).inputs)
    assert not torch.equal(again.inputs, other.inputs)


def test_what_is_no_problem_is_refused():
    for changes, message in (
        ({"loss": "hinge"}, "loss: expected one of"),
        ({"loss": "cross_entropy", "features": 15}, "features: expected an integer from 1 to 14"),
        ({"l2": 0.0}, "l2: expected a finite number above 0"),
        ({"target_noise": -1.0}, "target_noise: expected a finite number of at least 0"),
    ):
        with pytest.raises(ValueError, match=message):
            KnownRisk(**changes)
    problem = KnownRisk()
    with pytest.raises(ValueError, match=r"w: expected shape \[8\]"):
        problem.excess(torch.zeros(3, dtype=torch.float64))
    with pytest.raises(ValueError, match="sigma: expected"):
        problem.excess(problem.best, sigma=-1.0)
    with pytest.raises(ValueError, match="n: expected"):
        problem.draw(0, seed=0)
