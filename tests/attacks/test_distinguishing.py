"""The test against Gaussians whose epsilon has a closed form: never above it, and not far below."""

import math

import numpy as np
import pytest
from scipy import integrate, optimize, stats

from unlearning.attacks.distinguishing import distance_at_least, epsilon_at_least, projections
from unlearning.hfocu.capacity import gaussian_scale

DELTA = 1e-3


def delta_of(epsilon, distance):
    """Of two unit Gaussians: the integral of the positive part of p - exp(epsilon) q."""
    edge = distance / 2 + epsilon / distance
    part = lambda x: stats.norm.pdf(x, distance) - np.exp(epsilon) * stats.norm.pdf(x)  # noqa: E731
    return integrate.quad(part, edge, edge + 40, epsabs=0, epsrel=1e-9, limit=200)[0]


def epsilon_of(distance, delta):
    return optimize.brentq(lambda e: delta_of(e, distance) - delta, 0, 60)


def scores(distance, count, seed):
    generator = np.random.default_rng(seed)
    return generator.standard_normal(count) + distance, generator.standard_normal(count)


@pytest.mark.parametrize("distance", [0.5, 1.0, 2.0])
def test_it_finds_most_of_the_epsilon_that_is_there(distance):
    exact = epsilon_of(distance, DELTA)
    found = [epsilon_at_least(*scores(distance, 100_000, s), delta=DELTA).least for s in (0, 1)]
    assert max(found) <= exact
    assert min(found) >= 0.55 * exact


def test_it_is_above_the_truth_no_more_often_than_it_says():
    """At a confidence of 60% on purpose: 150 repetitions, some above, no more than 40%."""
    exact, above = epsilon_of(1.0, 0.05), 0
    for seed in range(150):
        found = epsilon_at_least(*scores(1.0, 1000, seed), delta=0.05, confidence=0.6)
        above += found.least > exact
    assert 0 < above < 0.4 * 150


def test_the_threshold_is_judged_on_other_draws_than_it_was_chosen_on():
    """Chosen and judged on the same draws, noise alone would often look like epsilon > 0."""
    found = [epsilon_at_least(*scores(0.0, 300, s), delta=0.0, confidence=0.6) for s in range(100)]
    assert sum(each.least > 0 for each in found) < 0.4 * 100


def test_noise_that_suffices_passes_and_a_quarter_of_it_does_not():
    sigma = gaussian_scale(1.0, 1e-5)
    for seed in range(3):
        enough = epsilon_at_least(*scores(1 / sigma, 40_000, seed), delta=1e-5)
        too_little = epsilon_at_least(*scores(4 / sigma, 40_000, seed), delta=1e-5)
        assert 0.1 < enough.least < 1.0 < too_little.least


@pytest.mark.parametrize("distance", [0.25, 1.0, 3.0])
def test_the_distance_is_found_nearly_and_not_exceeded(distance):
    for seed in range(3):
        found = distance_at_least(*scores(distance, 40_000, seed)).least
        assert 0.8 * distance - 0.05 < found < distance


def test_the_distance_is_exceeded_no_more_often_than_it_says():
    """At a confidence of 60% on purpose, as above."""
    found = [distance_at_least(*scores(0.5, 1000, s), confidence=0.6).least for s in range(150)]
    assert 0 < sum(each > 0.5 for each in found) < 0.4 * 150


def test_the_distance_sees_half_the_noise_where_epsilon_does_not():
    claimed = 1 / gaussian_scale(1.0, 1e-5)
    for seed in range(3):
        halved = scores(2 * claimed, 20_000, seed)
        assert epsilon_at_least(*halved, delta=1e-5).least < 1.0
        assert distance_at_least(*halved).least > claimed
        assert distance_at_least(*scores(claimed, 20_000, seed)).least < claimed


@pytest.mark.parametrize("direction", ["first", "second"])
def test_both_directions_are_looked_at(direction):
    """One side is never beyond a point where the other often is; it is blatant one way only."""
    generator = np.random.default_rng(0)
    narrow, wide = generator.uniform(0, 1, 20_000), generator.uniform(-1, 1, 20_000)
    sides = (narrow, -wide) if direction == "second" else (wide, -narrow)
    found = epsilon_at_least(*sides, delta=0.0)
    assert found.direction == direction
    assert found.least > 4
    assert found.alarms == 0
    beyond = sides[0] > found.threshold if direction == "first" else sides[1] < found.threshold
    assert found.hits == int(beyond[1::2].sum())
    assert found.judged == 10_000


def test_clopper_pearson_limits_by_their_definition():
    """With all p and no q: (0.99975 of being right about p^N = miss and (1 - q)^N = miss)."""
    n, miss = 50, 0.001 / 4
    found = epsilon_at_least(np.full(2 * n, 5.0), np.zeros(2 * n), delta=0.0)
    least = miss ** (1 / n)  # the chance of all hits is miss there
    assert found.least == pytest.approx(math.log(least / (1 - least)), rel=1e-9)


def test_projections_are_inner_products_with_a_unit_vector():
    generator = np.random.default_rng(3)
    drawn = generator.standard_normal((5, 4))
    direction, left = np.array([0.0, 2.0, 0.0, 0.0]), iter(drawn)
    found = projections(lambda: next(left), direction, 5)
    np.testing.assert_allclose(found, drawn[:, 1], rtol=1e-15)


@pytest.mark.parametrize(
    ("first", "second", "more", "message"),
    [
        ([1, 2, 3], [1, 2, 3], {}, r"first: expected 4 scores, got shape \[3\]"),
        ([1, 2, 3, 4], [1, 2, 3], {}, r"second: expected 4 scores, got shape \[3\]"),
        ([1, 2, 3, math.nan], [1, 2, 3, 4], {}, "first: expected finite scores"),
        ([1, 2, 3, 4], [1, 2, 3, 4], {"delta": 1.0}, "delta: expected a number below 1"),
        ([1, 2, 3, 4], [1, 2, 3, 4], {"confidence": 1.0}, "confidence: expected a number between"),
    ],
)
def test_what_does_not_fit_is_refused(first, second, more, message):
    with pytest.raises(ValueError, match=message):
        epsilon_at_least(first, second, **{"delta": 0.0} | more)


def test_a_direction_without_length_is_refused():
    with pytest.raises(ValueError, match="direction: expected a vector with a length"):
        projections(lambda: np.zeros(2), np.zeros(2), 3)
