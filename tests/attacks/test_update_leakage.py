"""Attacks on models before and after: features by hand, models that give away all or nothing."""

import numpy as np
import pytest
import torch
from sklearn.tree import DecisionTreeClassifier

import unlearning as ul
from unlearning.attacks import roc
from unlearning.attacks.update_leakage import (
    FEATURES,
    Answers,
    Attacker,
    answers,
    degradation,
    features,
)

SCHEDULE = ul.Schedule(0.5, batch_size=20, epochs=20)


def few(n=40, classes=4, seed=0):
    draw = np.random.default_rng(seed)
    return Answers(*(draw.dirichlet(np.ones(classes), n) for _ in range(2)))


def test_features_by_hand():
    found = Answers(np.array([[0.2, 0.5, 0.3]]), np.array([[0.1, 0.3, 0.6]]))
    expected = {
        "direct_diff": [[0.1, 0.2, -0.3]],
        "sorted_diff": [[0.2, -0.3, 0.1]],
        "l2_distance": [[0.14**0.5]],
        "direct_concat": [[0.2, 0.5, 0.3, 0.1, 0.3, 0.6]],
        "sorted_concat": [[0.5, 0.3, 0.2, 0.3, 0.6, 0.1]],
        "before": [[0.2, 0.5, 0.3]],
    }
    assert set(expected) == set(FEATURES)
    for kind, wanted in expected.items():
        np.testing.assert_allclose(features(found, kind), wanted, atol=1e-15)


@pytest.fixture(scope="module")
def single_deletions():
    """A run, and all its single deletions by exact retraining."""
    data = ul.load("digits", seed=0, n_train=300)
    objective = ul.Objective(ul.models.logistic(data))
    run = ul.train(objective, data.train[range(60)], SCHEDULE)
    after = torch.stack([ul.retrain(run, [u]) for u in range(60)])
    return objective, run, after, data.train


def test_each_row_is_asked_of_its_own_pair(single_deletions):
    objective, run, after, rows = single_deletions
    which = torch.arange(40).flip(0)
    found = answers(objective, run.weights, after, which, rows[range(40)])
    for row in (0, 11, 39):
        x = rows.inputs[row : row + 1]
        for w, said in zip((run.weights, after[which[row]]), found, strict=True):
            expected = objective.outputs(w, x)[0].double().softmax(0)
            np.testing.assert_allclose(said[row], expected, atol=1e-6)


@pytest.mark.parametrize("kind", ["direct_diff", "sorted_diff", "l2_distance"])
def test_equal_models_give_exactly_a_half(single_deletions, kind):
    objective, run, _, rows = single_deletions
    same = run.weights.expand(1, -1)
    deleted, never = (
        features(answers(objective, run.weights, same, torch.zeros(30, dtype=int), part), kind)
        for part in (rows[range(30)], rows[range(100, 130)])
    )
    scores = [Attacker(deleted, never).scores(side) for side in (deleted, never)]
    assert roc.auc(*scores).value == 0.5


def both_sides(objective, run, after, rows):
    """Features of deleted rows and, through the same pairs, of rows never learned."""
    which = torch.arange(60)
    return [features(answers(objective, run.weights, after, which, rows[part]), "sorted_diff")
            for part in (range(60), range(100, 160))]  # fmt: skip


def test_single_deletions_show_by_the_change_on_held_out_pairs(single_deletions):
    """Even of exact retraining: this attack compares before and after."""
    deleted, never = both_sides(*single_deletions)
    attacker = Attacker(deleted[:30], never[:30])
    area = roc.auc(attacker.scores(deleted[30:]), attacker.scores(never[30:]), confidence=0.999)
    assert area.low > 0.7


def test_shuffled_labels_give_a_half(single_deletions):
    deleted, never = both_sides(*single_deletions)
    order = np.random.default_rng(0).permutation(60)
    mixed = np.vstack([deleted[:30], never[:30]])[order]
    attacker = Attacker(mixed[:30], mixed[30:])
    area = roc.auc(attacker.scores(deleted[30:]), attacker.scores(never[30:]), confidence=0.999)
    assert area.low < 0.5 < area.high


def test_a_model_that_marks_what_it_deletes_is_caught():
    """A planted one: after the deletion it puts a tenth less on a row's first class."""
    found = few(200)
    marked = found.before.copy()
    marked[:, 0] *= 0.9
    deleted = features(Answers(found.before, marked / marked.sum(1, keepdims=True)))
    never = features(Answers(found.before, found.before))
    attacker = Attacker(deleted[:100], never[:100], DecisionTreeClassifier(random_state=0))
    assert roc.auc(attacker.scores(deleted[100:]), attacker.scores(never[100:])).value > 0.95


def test_the_classifier_that_is_given_stays_as_it_is():
    tree = DecisionTreeClassifier(random_state=0)
    Attacker(np.eye(4), np.zeros((4, 4)), tree)
    assert not hasattr(tree, "tree_")


def test_degradation_by_hand():
    found = degradation([0.9, 0.4, 0.2, 0.6], [0.5, 0.5, 0.5, 0.5], [True, True, False, False])
    assert found.count == 0.5
    assert found.rate == pytest.approx((0.4 - 0.1 + 0.3 - 0.1) / 4)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: features(few(), "diff"), "kind"),
        (lambda: features(Answers(np.zeros((2, 3)), np.zeros((3, 3)))), "found"),
        (lambda: Attacker(np.zeros((1, 3)), np.zeros((5, 3))), "deleted"),
        (lambda: Attacker(np.zeros((5, 3)), np.zeros((5, 4))), "never"),
        (lambda: Attacker(np.eye(4), np.eye(4)).scores(np.eye(3)), "rows"),
        (lambda: degradation([0.1, 0.2], [0.1], [1, 0]), "alone"),
        (lambda: degradation([0.1, 1.2], [0.1, 0.1], [1, 0]), "both"),
    ],
)
def test_bad_input_is_named(call, named):
    with pytest.raises(ValueError, match=named):
        call()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"after": torch.zeros(2, 3)}, "after"),
        ({"before": torch.zeros(3)}, "before"),
        ({"which": [0, 1]}, "which"),
        ({"which": [0, 1, 60]}, "which"),
    ],
)
def test_pairs_that_do_not_fit_are_named(single_deletions, change, named):
    objective, run, after, rows = single_deletions
    given = {"before": run.weights, "after": after, "which": [0, 1, 2]} | change
    with pytest.raises(ValueError, match=named):
        answers(objective, given["before"], given["after"], given["which"], rows[range(3)])
