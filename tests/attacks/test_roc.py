"""ROC, AUC and rates at few false alarms, against scikit-learn, SciPy and coverage."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score, roc_curve

from unlearning.attacks import roc


def two_groups(seed, members=40, others=70, ties=True):
    draw = np.random.default_rng(seed)
    both = draw.normal(0.6, 1, members), draw.normal(0, 1, others)
    return [np.round(side, 1) for side in both] if ties else both


@pytest.mark.parametrize("ties", [True, False])
def test_auc_is_that_of_scikit_learn(ties):
    for seed in range(5):
        positives, negatives = two_groups(seed, ties=ties)
        truth = np.repeat([1, 0], [len(positives), len(negatives)])
        expected = roc_auc_score(truth, np.concatenate([positives, negatives]))
        assert roc.auc(positives, negatives).value == pytest.approx(expected, abs=1e-12)


def test_curve_is_that_of_scikit_learn():
    positives, negatives = two_groups(3)
    truth = np.repeat([1, 0], [len(positives), len(negatives)])
    expected = roc_curve(truth, np.concatenate([positives, negatives]), drop_intermediate=False)
    for found, wanted in zip(roc.curve(positives, negatives), expected[:2], strict=True):
        np.testing.assert_allclose(found, wanted, atol=1e-12)


@pytest.mark.parametrize("shift", [0.0, 0.5, 1.5])
def test_the_interval_of_the_auc_covers_the_truth_as_often_as_it_says(shift):
    """The true AUC of two unit Gaussians is Phi(shift / sqrt 2); 19 of 20 intervals hold it."""
    draw, truth, tries = np.random.default_rng(7), stats.norm.cdf(shift / 2**0.5), 600
    found = [roc.auc(draw.normal(shift, 1, 50), draw.normal(0, 1, 200)) for _ in range(tries)]
    covered = sum(each.low <= truth <= each.high for each in found)
    assert stats.binomtest(covered, tries, 0.95).pvalue > 0.001


def test_two_groups_that_happen_to_be_apart_leave_an_interval():
    found = roc.auc([3.0, 4.0, 5.0], [0.0, 1.0, 2.0])
    assert found.value == 1
    assert found.low < 0.7
    assert found.high == 1
    assert (found.positives, found.negatives) == (3, 3)


def test_equal_scores_give_exactly_a_half():
    found = roc.auc(np.full(30, 0.2), np.full(50, 0.2))
    assert found.value == 0.5
    assert found.low < 0.5 < found.high


def test_true_positive_rate_by_counting():
    draw = np.random.default_rng(0)
    positives, negatives = np.round(draw.normal(1, 1, 80), 1), np.round(draw.normal(0, 1, 300), 1)
    for rate in (0.01, 0.05, 0.5):
        passing = [t for t in np.unique(negatives) if (negatives > t).sum() <= rate * 300]
        expected = (positives > min(passing)).mean()
        assert roc.true_positive_rate(positives, negatives, rate).value == pytest.approx(expected)


def test_its_interval_is_exact():
    found = roc.true_positive_rate(np.arange(100.0), np.arange(200.0) - 150.5, 0.1)
    hits = round(found.value * 100)
    assert found.low == pytest.approx(stats.beta.ppf(0.025, hits, 101 - hits))
    assert found.high == pytest.approx(stats.beta.ppf(0.975, hits + 1, 100 - hits))


def test_no_rate_is_given_where_non_members_are_too_few():
    assert roc.true_positive_rate(np.arange(50.0), np.arange(999.0), 0.001) is None
    assert roc.true_positive_rate(np.arange(50.0), np.arange(1000.0), 0.001) is not None


def test_balanced_accuracy_counts_both_sides():
    assert roc.balanced_accuracy([1.0, 2.0, -1.0, 3.0], [-1.0, 0.0]) == pytest.approx(
        (0.75 + 1) / 2
    )


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda: roc.auc([1.0], [0.0, 1.0]), "positives"),
        (lambda: roc.auc([1.0, 2.0], [[0.0, 1.0]]), "negatives"),
        (lambda: roc.auc([1.0, np.nan], [0.0, 1.0]), "positives"),
        (lambda: roc.auc([1.0, 2.0], [0.0, 1.0], confidence=1.0), "confidence"),
        (lambda: roc.true_positive_rate([1.0, 2.0], [0.0, 1.0], 1.0), "false_positive_rate"),
        (lambda: roc.balanced_accuracy([1.0, 2.0], [0.0, 1.0], np.inf), "threshold"),
    ],
)
def test_bad_input_is_named(call, named):
    with pytest.raises(ValueError, match=named):
        call()
