"""Capacities off curves, the analytic Gaussian mechanism, and the published rates."""

import math

import numpy as np
import pytest
from scipy import integrate, stats

from unlearning.hfocu.capacity import (
    Capacity,
    capacity,
    excess_with_noise,
    gaussian_scale,
    published_rates,
)


@pytest.mark.parametrize(
    ("excess", "expected"),
    [
        ([0.001, 0.01, 0.02, 0.5], Capacity(5, 20)),
        ([0.001, 0.002, 0.003, 0.01], Capacity(50, None)),
        ([0.2, 0.001, 0.001, 0.001], Capacity(0, 1)),
        ([0.001, 0.2, 0.001, 0.001], Capacity(1, 5)),  # a later dip does not count
        ([0.001, 0.002, math.inf, math.inf], Capacity(5, 20)),
    ],
)
def test_it_is_the_last_size_before_the_first_that_fails(excess, expected):
    assert capacity([1, 5, 20, 50], excess) == expected


def test_it_says_all_that_it_may_be():
    assert str(Capacity(5, 20)) == "5–19"
    assert str(Capacity(0, 1)) == "0"
    assert str(Capacity(50, None)) == "≥ 50"


@pytest.mark.parametrize("epsilon", [0.01, 0.1, 1.0, 10.0, 1000.0])
@pytest.mark.parametrize("delta", [1e-10, 1e-5, 0.1])
def test_noise_of_this_scale_has_just_this_delta(epsilon, delta):
    """delta is the integral of the positive part of p - e^eps q, for two Gaussians 1 apart."""
    sigma = gaussian_scale(epsilon, delta)
    p, q = stats.norm(1, sigma), stats.norm(0, sigma)
    edge = 0.5 + epsilon * sigma**2  # where p = e^eps q

    def part(x):
        return p.pdf(x) - np.exp(epsilon + q.logpdf(x))

    found, _ = integrate.quad(part, edge, edge + 40 * sigma, epsabs=0, epsrel=1e-9, limit=200)
    assert found == pytest.approx(delta, rel=1e-5)


@pytest.mark.parametrize(
    ("epsilon", "delta", "value"),
    [(1, 0.1, 1.086), (1, 1e-3, 2.575), (1, 1e-5, 3.731), (10, 1e-5, 0.500), (0.1, 1e-5, 30.7)],
)
def test_values_measured_elsewhere(epsilon, delta, value):
    assert gaussian_scale(epsilon, delta) == pytest.approx(value, rel=2e-3)


def test_noise_costs_what_it_costs_on_a_quadratic():
    """Monte Carlo on a random quadratic risk."""
    generator = np.random.default_rng(0)
    root = generator.standard_normal((4, 4))
    hessian, w = root @ root.T, generator.standard_normal(4)
    sensitivity, epsilon, delta = 0.3, 2.0, 1e-3
    noise = sensitivity * gaussian_scale(epsilon, delta) * generator.standard_normal((200000, 4))
    risks = np.einsum("ij,jk,ik->i", w + noise, hessian, w + noise) / 2
    expected = excess_with_noise(
        w @ hessian @ w / 2, sensitivity, epsilon, delta, np.trace(hessian)
    )
    assert risks.mean() == pytest.approx(expected, abs=5 * risks.std() / 200000**0.5)


def test_rates_grow_and_fall_as_published():
    base = published_rates(1000, 50, 1.0, 1e-5)
    assert base["upper"] == 1000
    assert base["newton"] == pytest.approx(1000 / (50 * math.log(1e5)) ** 0.25)
    assert published_rates(2000, 50, 1.0, 1e-5)["newton"] == pytest.approx(2 * base["newton"])
    assert published_rates(1000, 800, 1.0, 1e-5)["newton"] == pytest.approx(base["newton"] / 2)
    assert published_rates(1000, 50, 4.0, 1e-5)["newton"] == pytest.approx(2 * base["newton"])


def test_what_is_no_curve_or_no_promise_is_refused():
    for sizes in ([], [2, 1], [1, 1], [0, 1]):
        with pytest.raises(ValueError, match="sizes: expected"):
            capacity(sizes, [0.0] * len(sizes))
    for excess in ([0.1], [0.1, math.nan]):
        with pytest.raises(ValueError, match="excess: expected 2 numbers"):
            capacity([1, 2], excess)
    with pytest.raises(ValueError, match="limit: expected a finite number above 0"):
        capacity([1], [0.0], limit=0.0)
    with pytest.raises(ValueError, match="delta: expected a number between 0 and 1"):
        gaussian_scale(1.0, 1.0)
    with pytest.raises(ValueError, match="epsilon: expected a finite number above 0"):
        published_rates(10, 10, 0.0, 0.1)
    for changes in ({"sensitivity": -1.0}, {"trace": math.inf}, {"excess": math.nan}):
        given = {"excess": 0.0, "sensitivity": 1.0, "epsilon": 1.0, "delta": 0.1, "trace": 1.0}
        with pytest.raises(ValueError, match=f"{next(iter(changes))}: expected"):
            excess_with_noise(**(given | changes))
