"""What chapter 09 says of its control, whose batches are all full, held against the record."""

import pytest
from scipy import stats

from tests.notebooks.newton_gaps import NEWTON, gaps, outcomes


def newtons(order, convention):
    """The sizes at which the Newton step is clearly closer, and those where HF-OCU is."""
    clear = outcomes(order, convention, NEWTON)
    return [{m for m, sign in clear.items() if sign == which} for which in (1, -1)]


@pytest.mark.parametrize(("convention", "start"), [("R1", 200), ("R2", 100)])
def test_with_full_batches_no_rate_is_hf_ocus(convention, start):
    sizes = set(gaps("fixed, even", convention, NEWTON).index)
    assert len(sizes) == 7
    assert newtons("fixed, even", convention) == [{m for m in sizes if m >= start}, set()]
    assert newtons("reshuffled, even", convention) == [sizes, set()]


@pytest.mark.parametrize("convention", ["R1", "R2"])
def test_the_short_batch_and_the_order_on_average_over_the_rates(convention):
    orders = ("fixed", "fixed, even", "reshuffled, even")
    of = {order: gaps(order, convention, NEWTON).mean() for order in orders}
    assert stats.ttest_1samp(of["fixed"], 0).pvalue > 0.05
    assert stats.ttest_1samp(of["fixed, even"], 0).pvalue < 0.05
    mean = {order: values.mean() for order, values in of.items()}
    assert mean["fixed, even"] - mean["fixed"] == pytest.approx(0.07, abs=0.01)
    assert 0.045 < mean["reshuffled, even"] - mean["fixed, even"] < 0.125
