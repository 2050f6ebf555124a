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

    def theirs():
        return accumulate.ExactSum(torch.from_numpy(vectors[0])).add(torch.from_numpy(vectors[1:]))

    def ours():
        return Sum.of(vectors[0]).plus(vectors[1:])

    if np.abs(vectors.astype("f8")).sum() > sums.LIMIT - 1:
        assert _refusal(ours) == _refusal(theirs)
        return
    assert ours().total.tobytes() == theirs().exact.numpy().tobytes()
    assert ours().total.astype(dtype).tobytes() == theirs().value.numpy().tobytes()


def _refusal(make) -> str:
    """Why it is refused, or "" at the very edge of the range."""
    try:
        make()
    except ValueError as refused:
        return str(refused)
    return ""


@pytest.mark.parametrize("bad", [sums.LIMIT, np.nan, np.inf])
def test_out_of_range_is_refused(bad):
    with pytest.raises(ValueError, match="magnitudes below 4096"):
        Sum.of(np.array([1.0, 2.0])).plus(np.array([[0.5, bad]]))
