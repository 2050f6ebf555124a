"""Exact sums in NumPy: the same bits, and the same refusals, as those of PyTorch."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unlearning.base import accumulate
from unlearning.service import sums
from unlearning.service.sums import Sum

numbers = st.floats(-2000, 2000) | st.floats(-1e-9, 1e-9)


def test_grid_and_range_are_the_same():
    assert (sums.GRID, sums.LIMIT) == (accumulate.GRID, accumulate.LIMIT)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@given(st.lists(numbers, min_size=1, max_size=9))
def test_sums_have_the_same_bits_or_are_refused_alike(dtype, values):
    vectors = np.array(values, dtype)[:, None]
    try:
        other = accumulate.ExactSum(torch.from_numpy(vectors[0])).add(torch.from_numpy(vectors[1:]))
    except ValueError as refused:
        with pytest.raises(ValueError, match="vectors: expected a sum of magnitudes") as caught:
            Sum.of(vectors[0]).plus(vectors[1:])
        assert str(caught.value) == str(refused)
        return
    ours = Sum.of(vectors[0]).plus(vectors[1:])
    assert ours.total.tobytes() == other.exact.numpy().tobytes()
    assert ours.total.astype(dtype).tobytes() == other.value.numpy().tobytes()


@pytest.mark.parametrize("bad", [sums.LIMIT, np.nan, np.inf])
def test_out_of_range_is_refused(bad):
    with pytest.raises(ValueError, match="magnitudes below 4096"):
        Sum.of(np.array([1.0, 2.0])).plus(np.array([[0.5, bad]]))
