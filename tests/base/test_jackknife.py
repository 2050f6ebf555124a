"""Pseudo-values: held against closed forms, and against how often their intervals cover."""

import math

import numpy as np
import pytest
from scipy import stats

from unlearning.base.jackknife import log_spread, pseudo_values
from unlearning.base.metrics import interval

VALUES = {42: 1.0, 7: 2.5, 3: 4.0, 1: 10.0}


def test_of_a_mean_they_are_the_values():
    assert pseudo_values(np.mean, VALUES) == pytest.approx(VALUES)


def test_of_the_square_of_a_mean_their_mean_takes_the_bias_off():
    # E[mean^2] = mu^2 + var/n; the jackknife takes off exactly the sample variance over n.
    x = np.array(list(VALUES.values()))
    found = pseudo_values(lambda v: np.mean(v) ** 2, VALUES)
    assert np.mean(list(found.values())) == pytest.approx(x.mean() ** 2 - x.var(ddof=1) / len(x))


def test_log_spread_is_that_of_scipy_and_knows_no_scale():
    x = list(VALUES.values())
    expected = math.log(stats.gstd(x, ddof=1))  # exp of the deviation of the logarithms
    assert log_spread(x) == pytest.approx(math.log(expected))
    assert log_spread([3 * v for v in x]) == pytest.approx(log_spread(x))


def test_intervals_for_a_ratio_of_spreads_cover_about_as_often_as_they_say():
    generator, truth, hits = np.random.default_rng(0), math.log(2), 0
    for _ in range(400):
        pairs = np.exp(generator.normal(size=(7, 2)) * [2.0, 1.0])
        found = pseudo_values(
            lambda rows: log_spread([a for a, _ in rows]) - log_spread([b for _, b in rows]),
            dict(enumerate(pairs.tolist())),
        )
        around = interval(found.values())
        hits += around.low <= truth <= around.high
    assert 0.88 < hits / 400 < 0.99


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pseudo_values(np.mean, {1: 1.0, 2: 2.0}), "by_seed: expected at least three"),
        (lambda: pseudo_values(lambda v: math.nan, VALUES), "statistic: expected finite"),
        (lambda: log_spread([1.0]), "values: expected at least two"),
        (lambda: log_spread([1.0, 0.0]), "values: expected at least two positive"),
        (lambda: log_spread([2.0, 2.0]), "values: expected numbers that differ"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
