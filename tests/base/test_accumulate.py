"""Exact sums: against Python's rational arithmetic, in any order and grouping."""

from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unlearning.base.accumulate import GRID, LIMIT, ExactSum, to_grid

numbers = st.floats(-100, 100, allow_subnormal=False)


@given(st.lists(numbers, min_size=2, max_size=30), st.randoms())
def test_order_and_grouping_leave_the_same_bits(values, rng):
    start = torch.zeros(1)
    together = ExactSum(start).add(torch.tensor(values, dtype=torch.float64)[:, None])
    rng.shuffle(values)
    apart = ExactSum(start)
    cut = rng.randrange(1, len(values))
    for group in (values[:cut], values[cut:]):
        apart.add(torch.tensor(group, dtype=torch.float64)[:, None])
    assert torch.equal(together.exact, apart.exact)


@given(st.lists(numbers, min_size=1, max_size=30))
def test_sum_is_the_rational_sum_of_the_rounded_terms(values):
    terms = torch.tensor(values, dtype=torch.float64)
    total = ExactSum(torch.zeros(1)).add(terms[:, None]).exact
    assert Fraction(float(total)) == sum(Fraction(float(t)) for t in to_grid(terms))


@given(numbers)
def test_rounding_is_to_the_nearest_grid_point(value):
    rounded = float(to_grid(torch.tensor(value, dtype=torch.float64)))
    assert abs(rounded - value) <= GRID / 2
    assert (Fraction(rounded) / Fraction(GRID)).denominator == 1


def test_plain_addition_does_depend_on_order():
    """The reason for this module: without the grid, these three differ."""
    a, b, c = (torch.tensor([v], dtype=torch.float64) for v in (0.1, 0.2, 0.3))
    assert (a + b) + c != a + (b + c)


@pytest.mark.parametrize("bad", [LIMIT, float("nan"), float("inf")])
def test_out_of_range_is_refused_and_changes_nothing(bad):
    total = ExactSum(torch.tensor([1.0, 2.0]))
    with pytest.raises(ValueError, match="vectors: expected a sum of magnitudes below 4096"):
        total.add(torch.tensor([[0.5, bad]]))
    assert total.value.tolist() == [1.0, 2.0]


def test_range_counts_magnitudes_so_that_no_order_can_overflow():
    total = ExactSum(torch.tensor([4000.0]))
    with pytest.raises(ValueError, match="magnitudes"):
        total.add(torch.tensor([[-4000.0]]))


def test_shape_is_checked():
    with pytest.raises(ValueError, match=r"vectors: expected shape \[K, 2\], got \[2\]"):
        ExactSum(torch.zeros(2)).add(torch.zeros(2))
