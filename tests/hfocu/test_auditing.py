"""Residuals of many sets, against one after another; rules for sets; the empirical quantile."""

import math

import numpy as np
import pytest
import torch

import unlearning as ul
from tests.hfocu.paths import draw_from_own_weights
from unlearning.hfocu.auditing import audit_sets, empirical_sensitivity, residuals

N, M = 120, 6


@pytest.fixture(scope="module")
def run():
    return draw_from_own_weights(
        0, n=N, features=5, classes=3, bias=False, l2=0.3, eta=0.5, batch=N, epochs=8, scale=1.0
    ).run


@pytest.fixture(scope="module")
def approximators(run):
    return ul.recollect(run)


def test_residuals_are_those_of_one_set_after_another(run, approximators):
    sets = [[5], [3, 1, 119], list(range(40))]
    found = residuals(run, approximators, sets)
    for distance, members in zip(found.tolist(), sets, strict=True):
        unlearned = run.weights + approximators.vectors[members].sum(0)
        expected = ul.distance(unlearned, ul.retrain(run, members))
        assert distance == pytest.approx(expected, abs=1e-10)


@pytest.mark.parametrize("convention", ["R1", "R3"])
def test_they_pair_equal_conventions(run, convention):
    vectors = ul.recollect(run, convention=convention)
    (found,) = residuals(run, vectors, [[3, 4]])
    unlearned = ul.forget(run, vectors, [3, 4])
    expected = ul.distance(unlearned, ul.retrain(run, [3, 4], convention=convention))
    assert float(found) == pytest.approx(expected, abs=1e-12)


def test_a_thousand_sets_stay_below_the_bound_and_hard_ones_come_closer(run, approximators):
    rules = audit_sets(run, approximators, M, random=1000, hard=20)
    worst = {rule: float(residuals(run, approximators, sets).max()) for rule, sets in rules.items()}
    radius = float(run.samples.inputs.norm(dim=1).max())
    premises = ul.Premises.of(run, radius=radius)
    for of in (premises, run):
        bound = ul.certify(of, deletions=M, epsilon=1.0, delta=1e-5).sensitivity
        assert max(worst.values()) <= bound
    assert max(worst.values()) > 1.5 * worst["random"]


def test_each_rule_does_what_its_name_says(run, approximators):
    rules = audit_sets(run, approximators, M, random=50, hard=10)
    sets = [members for some in rules.values() for members in some]
    assert all(len(set(members)) == M and max(members) < N for members in sets)
    assert len({tuple(sorted(members)) for members in rules["random"]}) == 50
    lengths, labels = approximators.vectors.norm(dim=1), run.samples.labels
    (longest,) = rules["longest approximators"]
    assert lengths[longest].sum() == pytest.approx(float(lengths.sort().values[-M:].sum()))
    assert len(rules["one class"]) == 3
    assert all(len(labels[members].unique()) == 1 for members in rules["one class"])
    added = lambda members: float(approximators.vectors[members].sum(0).norm())  # noqa: E731
    assert 1 <= len(rules["lined up"]) <= 10
    assert min(map(added, rules["lined up"])) > max(map(added, rules["random"]))


def test_sets_need_the_approximators_of_all_samples(run):
    some = ul.recollect(run, sets=[[1, 2]])
    with pytest.raises(ValueError, match="approximators: expected those of all 120 samples"):
        audit_sets(run, some, 2, random=1, hard=1)
    with pytest.raises(ValueError, match="deletions: expected an integer from 1 to 119"):
        audit_sets(run, ul.recollect(run), N, random=1, hard=1)


@pytest.mark.parametrize("level", [0.01, 0.5, 0.9, 0.95, 0.99, 1.0])
def test_the_quantile_is_the_next_measured_value_above(level):
    values = torch.rand(173, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    found = empirical_sensitivity(values, level)
    expected = float(np.quantile(values.numpy(), level, method="inverted_cdf"))
    assert found == (expected, level, 173)


@pytest.mark.parametrize(
    ("distances", "level", "message"),
    [
        ([], 0.9, "distances: expected at least one"),
        ([-1.0], 0.9, "distances: expected a finite number of at least 0"),
        ([math.nan], 0.9, "distances: expected a finite number"),
        ([1.0], 0.0, "level: expected a finite number above 0"),
        ([1.0], 1.1, "level: expected a number of at most 1"),
    ],
)
def test_what_is_no_quantile_is_refused(distances, level, message):
    with pytest.raises(ValueError, match=message):
        empirical_sensitivity(distances, level)
