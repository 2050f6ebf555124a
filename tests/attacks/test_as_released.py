"""Departures of the released attacks: each changes what its name says, and nothing else."""

import numpy as np
import pytest
import torch
from sklearn.dummy import DummyClassifier

import unlearning as ul
from unlearning.attacks import as_released, roc
from unlearning.attacks.as_released import MIA_U, REQUIRED, Seen, update_leakage
from unlearning.attacks.update_leakage import answers

RELEASED = set(MIA_U) - {"active_dropout"}


def seen(sets=6, m=20, stayed=180, features=5, shift=0.0, seed=0):
    """Noise; deleted rows are shifted in the first feature."""
    draw = np.random.default_rng(seed)
    parts = [draw.normal(size=(sets, m, features)) for _ in range(3)]
    parts[0][..., 0] += shift
    return Seen(*parts, draw.normal(size=(stayed, features)))


def test_without_departures_the_attacker_learns_on_its_own_pairs():
    strong, noise = seen(shift=8.0, sets=20), seen(seed=1, sets=20)
    assert update_leakage(strong, seen(shift=8.0, seed=2)) > 0.999
    # what it learned elsewhere says nothing about noise, and nothing learned finds nothing
    assert update_leakage(noise, seen(shift=8.0, seed=2)) == pytest.approx(0.5, abs=0.08)
    assert update_leakage(strong, noise, classifier=DummyClassifier()) == 0.5


def test_one_set_looks_at_the_first_set_alone():
    target = seen(shift=8.0)
    target.deleted[1:] -= 100
    attacker = seen(shift=8.0, seed=2)
    assert update_leakage(target, attacker) < 0.2
    assert update_leakage(target, attacker, {"one_set"}) > 0.999


def test_the_target_pair_needs_no_pair_of_the_attacker():
    target, wrong = seen(shift=8.0), seen(shift=-8.0, seed=2)
    assert update_leakage(target, wrong) < 0.001
    assert update_leakage(target, wrong, {"target_pair"}) > 0.999


@pytest.mark.parametrize(
    ("departures", "low", "high"), [((), 0.45, 0.55), (("in_sample",), 0.7, 1)]
)
def test_the_rows_of_the_fit_find_what_is_not_there(departures, low, high):
    noise = [seen(sets=1, features=10, seed=s) for s in range(40)]
    areas = [update_leakage(one, one, {"target_pair", *departures}) for one in noise]
    assert low < np.mean(areas) < high


def test_chance_in_sample_is_that_of_discriminants_fitted_to_noise():
    """The formula against draws, with the discriminant written out."""
    m, others, k = 6, 40, 4
    draw = np.random.default_rng(0)
    areas = []
    for _ in range(4000):
        positives, negatives = draw.normal(size=(m, k)), draw.normal(size=(others, k))
        v = positives.mean(0) - negatives.mean(0)
        areas.append(roc.auc(positives @ v, negatives @ v).value)
    error = np.std(areas) / 4000**0.5
    expected = as_released.chance_in_sample(m, others, k)
    assert np.mean(areas) == pytest.approx(expected, abs=3.3 * error)


def test_the_released_attack_finds_as_much_in_noise():
    k, m, stayed = 9, 30, 900
    noise = [seen(sets=1, m=m, stayed=stayed, features=k, seed=s) for s in range(60)]
    areas = [update_leakage(one, one, RELEASED) for one in noise]
    assert np.mean(areas) == pytest.approx(as_released.chance_in_sample(m, stayed, k), abs=0.02)


@pytest.mark.parametrize("given", [(0, 5, 3), (5, 0, 3), (5, 5, 0), (1, 1, 3)])
def test_chance_needs_rows_and_features(given):
    with pytest.raises(ValueError, match="m|others|width"):
        as_released.chance_in_sample(*given)


def test_retained_rows_take_the_place_of_others():
    target = seen(shift=8.0)
    target.retained[..., 0] += 8.0  # they look as the deleted ones do
    target.stayed[..., 0] -= 8.0
    attacker = seen(shift=8.0, seed=2)
    assert update_leakage(target, attacker) > 0.999
    assert update_leakage(target, attacker, {"retained_negatives"}) == pytest.approx(0.5, abs=0.1)
    every = {"retained_negatives", "all_retained"}
    assert update_leakage(target, attacker, every) > 0.999


@pytest.mark.parametrize("draw", [0, 3, 8])
def test_nothing_deleted_calls_some_retained_rows_deleted(draw):
    given = seen()
    placebo = as_released.nothing_deleted(given, draw)
    assert placebo.stayed.shape == (160, 5)
    np.testing.assert_array_equal(placebo.deleted[0], given.stayed[20 * draw : 20 * draw + 20])
    every = np.concatenate([placebo.deleted[0], placebo.stayed])
    np.testing.assert_array_equal(np.sort(every, axis=0), np.sort(given.stayed, axis=0))


def test_a_placebo_beyond_the_rows_is_refused():
    with pytest.raises(ValueError, match="draw: expected an integer from 0 to 8"):
        as_released.nothing_deleted(seen(), 9)


@pytest.mark.parametrize("name", REQUIRED)
def test_a_departure_without_the_one_it_needs_is_refused(name):
    with pytest.raises(ValueError, match=f"quirks.*{REQUIRED[name]} with {name}"):
        update_leakage(seen(), seen(), {name})


def test_an_unknown_departure_is_refused():
    with pytest.raises(ValueError, match="quirks.*one_set.*no_such"):
        update_leakage(seen(), seen(), {"no_such"})


def test_other_labels_are_the_same_labels_elsewhere():
    data = ul.load("digits", seed=0, n_train=500).train
    wrong = as_released.other_labels(data, seed=3)
    assert torch.equal(wrong.inputs, data.inputs)
    assert torch.equal(wrong.labels.sort().values, data.labels.sort().values)
    agree = (wrong.labels == data.labels).double().mean()
    assert 0.05 < agree < 0.16  # ten classes
    assert torch.equal(wrong.labels, as_released.other_labels(data, seed=3).labels)


def test_most_members_are_in_the_overlapping_pool_twice():
    pool = as_released.overlapping_pool(1000, 60_000, seed=1)
    assert len(pool) == 60_000
    assert torch.equal(pool[:1000], torch.arange(1000))
    others = pool[1000:]
    assert len(others.unique()) == 59_000
    again = (others < 1000).double().mean() * 59  # as a share of the members
    assert float(again) == pytest.approx(59 / 60, abs=0.015)


@pytest.mark.parametrize("rows", [5, 3])
def test_a_pool_needs_more_rows_than_members(rows):
    with pytest.raises(ValueError, match="file_rows"):
        as_released.overlapping_pool(5, rows)


def test_dropout_makes_answers_noisy_and_is_nothing_where_nothing_is_dropped():
    data = ul.load("digits", seed=0, n_train=40)
    model = ul.models.smooth_cnn(data)
    objective = ul.Objective(model)
    w = objective.initial_weights
    noisy = as_released.with_dropout(model, w, w, data.train, seed=1)
    assert np.abs(noisy.before - noisy.after).max() > 1e-3
    assert np.allclose(noisy.before.sum(1), 1)
    again = as_released.with_dropout(model, w, w, data.train, seed=1)
    np.testing.assert_array_equal(noisy.before, again.before)
    # maps and units at 0 stay there: only the bias of the last layer is left
    bare = w.clone()
    bare[:-10] = 0
    silent = as_released.with_dropout(model, bare, bare, data.train)
    quiet = answers(objective, bare, bare[None], [0] * 40, data.train)
    np.testing.assert_allclose(silent.before, quiet.before, atol=1e-7)
    np.testing.assert_array_equal(silent.before, silent.after)


def test_dropout_is_for_the_papers_cnn():
    data = ul.load("digits", seed=0, n_train=40)
    model = ul.models.mlp(data)
    w = ul.Objective(model).initial_weights
    with pytest.raises(ValueError, match="two convolutions"):
        as_released.with_dropout(model, w, w, data.train)
