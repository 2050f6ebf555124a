"""Rounding to bfloat16 and the error it makes: against PyTorch's conversion."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unlearning.base.rounding import decode, encode, to_bfloat16


def torch_bits(values):
    """PyTorch's rounding of float32, as bits."""
    return torch.from_numpy(values).bfloat16().view(torch.int16).numpy().view(np.uint16)


def bit_patterns():
    """Every upper half with the lower halves where rounding turns, and a million others."""
    upper = np.arange(2**16, dtype=np.uint32)[:, None] << 16
    lower = np.array([0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF], np.uint32)
    others = np.random.default_rng(0).integers(0, 2**32, 10**6, dtype=np.uint32)
    return np.concatenate([(upper | lower).reshape(-1), others])


def test_rounding_is_pytorchs_for_every_upper_half():
    values = bit_patterns().view(np.float32)
    ours, theirs = to_bfloat16(values), torch_bits(values)
    nan = np.isnan(values)
    assert 0 < nan.sum() < nan.size / 20
    assert np.array_equal(ours[~nan], theirs[~nan])
    assert np.isnan(decode(ours[nan], "bfloat16")).all()
    assert np.array_equal(np.signbit(decode(ours[nan], "bfloat16")), np.signbit(values[nan]))


def test_widening_is_pytorchs_for_every_bfloat16():
    bits = np.arange(2**16, dtype=np.uint16)
    theirs = torch.from_numpy(bits.view(np.int16)).view(torch.bfloat16).float().numpy()
    assert np.array_equal(decode(bits, "bfloat16"), theirs, equal_nan=True)


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
@pytest.mark.parametrize("shape", [(7, 5), (3, 300_000), (300_000, 1)])
def test_error_is_the_largest_of_a_row(dtype, shape):
    rows = np.random.default_rng(1).standard_normal(shape) * 10.0 ** np.arange(shape[1])[::-1].clip(
        max=30
    )
    stored, error = encode(rows, dtype)
    exact = torch.from_numpy(rows)
    kept = exact.to(getattr(torch, dtype)).double()
    assert np.array_equal(decode(stored, dtype), kept.numpy())
    expected = ((kept - exact).norm(dim=1) / exact.norm(dim=1)).max()
    assert error == pytest.approx(float(expected), rel=1e-9)
    assert 0 < error <= {"bfloat16": 2**-8, "float32": 2**-24}[dtype] * (1 + 1e-6)


@pytest.mark.parametrize(
    ("source", "dtype"),
    [
        ("f4", "float32"),
        ("f8", "float64"),
        ("f4", "float64"),
        ("f2", "float32"),
        (">f8", "float64"),
    ],
)
def test_what_fits_is_exact(source, dtype):
    rows = np.array([[1 / 3, -0.0, 1e-7], [np.inf, np.nan, -np.inf]], source)
    stored, error = encode(rows, dtype)
    assert error == 0
    assert stored.dtype == np.dtype(dtype)
    assert np.array_equal(stored, rows.astype(dtype), equal_nan=True)
    assert np.signbit(stored[0, 1])


def test_rows_of_their_own_dtype_are_not_copied():
    rows = np.ones((3, 4))
    assert np.shares_memory(encode(rows, "float64")[0], rows)


def test_rows_without_numbers_have_no_error():
    assert encode(np.zeros((2, 3), "f4"), "bfloat16")[1] == 0
    assert encode(np.full((2, 3), np.nan, "f4"), "bfloat16")[1] == 0


def test_infinities_and_nan_are_kept_and_do_not_hide_the_error_of_others():
    rows = np.array([[1.003, np.inf, np.nan]], np.float32)
    stored, error = encode(rows, "bfloat16")
    assert error == pytest.approx(0.003 / 1.003, rel=1e-4)
    assert np.array_equal(decode(stored, "bfloat16"), [[1, np.inf, np.nan]], equal_nan=True)


def test_rows_too_small_for_the_dtype_are_lost_whole_and_say_so():
    for tiny in (1e-60, 1e-200, 5e-324):
        assert encode(np.array([[1.0, 2.0], [tiny, 0.0]]), "float32")[1] == 1


@given(st.floats(width=64).filter(lambda v: abs(v) >= 3.4e38 and np.isfinite(v)))
def test_values_beyond_the_range_are_refused(value):
    for dtype in ("bfloat16", "float32"):
        if not torch.isinf(torch.tensor([value], dtype=torch.float64).to(getattr(torch, dtype))):
            continue
        with pytest.raises(ValueError, match=f"rows: expected values within the range of {dtype}"):
            encode(np.array([[0.0, value]]), dtype)


@pytest.mark.parametrize(
    ("source", "dtype"), [("i8", "float32"), ("u2", "bfloat16"), ("?", "uint8"), ("f4", "int64")]
)
def test_other_dtypes_are_refused(source, dtype):
    with pytest.raises(ValueError, match=f"rows: expected values to store as {dtype}, got dtype"):
        encode(np.ones((2, 2), source), dtype)
