"""U-LiRA: a half for exact unlearning, all there is for none, on models and on Gaussians."""

import pytest
import torch
from scipy import stats

import unlearning as ul
from unlearning.attacks import roc
from unlearning.attacks.lira import log_ratio, reference
from unlearning.attacks.margins import margins_of
from unlearning.attacks.shadows import halves, train_on
from unlearning.attacks.unlearning_lira import held_out_ratios


def requests(learned, share, seed=0):
    """Rows that each model is asked to forget: a share of what it learned."""
    draws = torch.rand(learned.shape, generator=torch.Generator().manual_seed(seed))
    return learned & (draws < share)


def test_gaussians_of_known_distance():
    """With many models the balanced accuracy is that of the best test: Phi(gap / 2)."""
    learned, gap = halves(800, 60), 1.0
    gone = requests(learned, 0.5)
    noise = torch.randn(learned.shape, generator=torch.Generator().manual_seed(1)).double()
    margins = noise + gap * gone + 50 * (learned & ~gone) + 9 * torch.arange(60.0)
    found = held_out_ratios(margins, gone, ~learned)
    assert len(found.unlearned) == gone.sum()
    assert len(found.never) == (~learned).sum()
    accuracy = roc.balanced_accuracy(*found)
    assert accuracy == pytest.approx(stats.norm.cdf(gap / 2), abs=0.01)


def test_no_model_is_judged_by_itself():
    """Made again by leaving pairs out by hand."""
    learned = halves(16, 30)
    gone = requests(learned, 0.8)
    margins = torch.randn(16, 30, generator=torch.Generator().manual_seed(2)) + gone
    found = held_out_ratios(margins, gone, ~learned, folds=8)
    expected = []
    for pair in range(8):
        rest = [k for k in range(16) if k // 2 != pair]
        by = reference(margins[rest], gone[rest], never=~learned[rest])
        for k in (2 * pair, 2 * pair + 1):
            expected += log_ratio(by, margins[k])[gone[k]].tolist()
    assert found.unlearned.tolist() == pytest.approx(expected)


@pytest.fixture(scope="module")
def overfitted():
    """Models that know their rows well, 96 of them, and what each is asked to forget."""
    data = ul.load("digits", seed=0, n_train=240)
    objective = ul.Objective(ul.models.logistic(data))
    learned = halves(96, 240, seed=1)
    gone = requests(learned, 0.4, seed=3)
    # as many rows for each: a model that has forgotten fewer loses some more, chosen at random
    keep = torch.stack([_some(line, 50, k) for k, line in enumerate(learned & ~gone)])
    return objective, data.train, learned, gone, keep


def _some(line, count, seed):
    rows = line.nonzero()[:, 0]
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
    return torch.zeros_like(line).index_fill(0, rows[order[:count]], True)


def test_exact_retraining_is_a_half_and_doing_nothing_is_not(overfitted):
    objective, rows, learned, gone, keep = overfitted
    schedule = ul.Schedule(0.5, batch_size=20, epochs=30)
    areas = {}
    for name, mask in (("do nothing", learned), ("retrain", keep)):
        weights = train_on(objective, rows, mask, schedule, seed=4)
        margins = margins_of(objective, weights, rows)
        areas[name] = roc.auc(*held_out_ratios(margins, gone, ~learned), confidence=0.999)
    assert areas["retrain"].low < 0.5 < areas["retrain"].high
    assert areas["do nothing"].low > 0.6


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"folds": 1}, "folds"),
        ({"folds": 5}, "folds"),
        ({"never": halves(8, 30)}, "never"),
        ({"variance": "each", "unlearned": halves(8, 30) & False}, "learned"),
    ],
)
def test_bad_input_is_named(change, named):
    learned = halves(8, 30)
    given = {"unlearned": learned, "never": ~learned} | change
    with pytest.raises(ValueError, match=named):
        held_out_ratios(torch.randn(8, 30), **given)
