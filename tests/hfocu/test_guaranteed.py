"""Guaranteed capacities against a scan over all sizes; the ceiling against its inequality."""

import math

import pytest
from scipy import stats

import unlearning as ul
from unlearning.hfocu.capacity import LIMIT, gaussian_scale
from unlearning.hfocu.generalisation import METHODS, optimisation_distance
from unlearning.hfocu.guaranteed import (
    AS_PUBLISHED,
    RETRAIN,
    capacity_rate,
    ceiling,
    guaranteed_capacity,
    published_bound,
)
from unlearning.problem.known_risk import KnownRisk

PROBLEMS = {
    "squared": KnownRisk("squared", 4, 0.2, 1.0, 0.5),
    "cross_entropy": KnownRisk("cross_entropy", 4, 0.2, 2.0),
}


def schedule_of(problem, n, epochs):
    return ul.Schedule(1 / problem.constants.curvature, batch_size=n, epochs=epochs)


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("method", [*METHODS, AS_PUBLISHED, RETRAIN])
def test_the_guaranteed_capacity_is_the_last_size_that_keeps_the_limit(name, method):
    problem, n, scale = PROBLEMS[name], 600, gaussian_scale(1.0, 1e-3)
    c, schedule = problem.constants, schedule_of(problem, n, epochs=40)
    totals = [
        published_bound(method, c, n, m, scale, schedule, any_set=True).total
        for m in range(1, n // 4)
    ]
    assert totals == sorted(totals)
    kept = sum(total <= LIMIT for total in totals)
    assert guaranteed_capacity(method, c, n, scale, schedule=schedule) == kept < len(totals)


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_closed_form_lies_below_the_guaranteed_capacity(name):
    problem, decided = PROBLEMS[name], 0
    for n in (1000, 30000, 10**6):
        schedule = schedule_of(problem, n, epochs=80)
        left = optimisation_distance(problem.constants, schedule, n, n // 2)
        for epsilon, delta in ((1.0, 1e-2), (1.0, 1e-10), (0.01, 1e-5), (1e-4, 1e-5)):
            rate = capacity_rate(problem.constants, n, epsilon, delta, left)
            scale = gaussian_scale(epsilon, delta)
            full = guaranteed_capacity("HF-OCU", problem.constants, n, scale, schedule=schedule)
            assert math.floor(rate) <= full
            decided += 0.02 * full < rate
    assert decided >= 6  # it is no trivial bound


def test_the_closed_form_has_the_published_rate_where_the_noise_decides():
    problem = PROBLEMS["cross_entropy"]
    base = capacity_rate(problem.constants, 10**6, 1e-4, 1e-5, 0.0)
    assert capacity_rate(problem.constants, 10**6, 4e-4, 1e-5, 0.0) == pytest.approx(2 * base)
    logs = math.log(1.25e10) / math.log(1.25e5)
    sharper = capacity_rate(problem.constants, 10**6, 1e-4, 1e-10, 0.0)
    assert sharper == pytest.approx(base / logs**0.25)
    with pytest.raises(ValueError, match="epsilon: expected a number of at most 1"):
        capacity_rate(problem.constants, 100, 2.0, 1e-5, 0.0)


def test_the_ceiling_is_the_last_size_that_every_coin_allows():
    n, spread, epsilon, delta = 200, 4.0, 1.0, 1e-3

    def allowed(m):
        for step in range(1, 501):
            a = 0.001 * step
            most = (1 + math.exp(2 * epsilon)) * 2 * LIMIT / (a * spread) ** 2
            most += (1 + math.exp(epsilon)) * delta
            if sum(stats.binom.pmf(k, n, 2 * a) for k in range(m + 1)) > most:
                return False
        return True

    found, lean = ceiling(n, spread, epsilon, delta)
    assert allowed(found)
    assert not allowed(found + 1)
    most = (1 + math.exp(2 * epsilon)) * 2 * LIMIT / (lean * spread) ** 2
    most += (1 + math.exp(epsilon)) * delta
    assert stats.binom.cdf(found, n, 2 * lean) <= most < stats.binom.cdf(found + 1, n, 2 * lean)


def test_the_ceiling_tends_to_a_share_of_the_samples():
    share = 2 * math.sqrt(2 * LIMIT * (1 + math.exp(2))) / 4
    shares = [ceiling(n, 4.0, 1.0, 0.0).deletions / n for n in (10**3, 10**5, 10**7)]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] == pytest.approx(share, rel=0.02)
    assert ceiling(100, 0.1, 1.0, 0.0) == (100, None)  # such coins are too cheap to matter


def test_the_limit_of_the_ceiling_needs_coins_that_are_worth_enough():
    """c < 1 if spread > 2 sqrt(2 limit (1 + e^(2 epsilon))), 0.82 at epsilon 1."""
    worth = 2 * math.sqrt(2 * LIMIT * (1 + math.exp(2)))
    assert worth == pytest.approx(0.82, abs=0.005)
    assert ceiling(10**7, 1.2 * worth, 1.0, 0.0).deletions < 10**7
    assert ceiling(10**7, 0.9 * worth, 1.0, 0.0).deletions == 10**7


def test_exact_retraining_stays_below_the_ceiling():
    """Deleting m tails of the coin that leans to heads moves the mean of what is left most."""
    n, spread = 1000, 4.0
    most, lean = ceiling(n, spread, 0.0, 0.0)
    chance = 0.5 + lean
    excess = [(spread * (n * chance / (n - m) - chance)) ** 2 / 2 for m in range(n // 3)]
    kept = max(m for m in range(n // 3) if excess[m] <= LIMIT)
    assert 0 < kept < most
