"""How numbers are stored: little-endian dtypes, rounding to bfloat16, and what rounding loses."""

from collections.abc import Iterator

import numpy as np

from unlearning.base.checks import fail

# The dtypes that a matrix of rows may be rounded to.
DTYPES = ("float32", "float64", "bfloat16")
# As stored: NumPy dtype, name in a safetensors header. bfloat16 is kept as its bits. Those that are
# not in DTYPES hold counters and generator states, and are never rounded.
STORED = {
    "float32": ("<f4", "F32"),
    "float64": ("<f8", "F64"),
    "bfloat16": ("<u2", "BF16"),
    "int64": ("<i8", "I64"),
    "uint32": ("<u4", "U32"),
    "uint8": ("|u1", "U8"),
    "bool": ("|b1", "BOOL"),
}
TILE = 2**18  # values looked at together: bounds the float64 copies that measuring the error takes


def to_bfloat16(values: np.ndarray) -> np.ndarray:
    """Round float32 to the nearest bfloat16, ties to even; NaN stays NaN, infinities stay.

    Args:
        values: float32, any shape.

    Returns:
        The bits, uint16, same shape.
    """
    bits = np.ascontiguousarray(values, "<f4").view("<u4")
    # Half of the last place that is kept, less one if that place is even: a tie then stays below.
    nearest = (bits + (((bits >> 16) & 1) + 0x7FFF)) >> 16
    # A NaN must not be carried over into an infinity or a zero: its quiet bit is set instead.
    return np.where(np.isnan(values), (bits >> 16) | 0x0040, nearest).astype("<u2")


def decode(stored: np.ndarray, dtype: str) -> np.ndarray:
    """Return stored values as numbers: bfloat16 bits as float32, all others as they are."""
    return (stored.astype("<u4") << 16).view("<f4") if dtype == "bfloat16" else stored


def encode(rows: np.ndarray, dtype: str) -> tuple[np.ndarray, float]:
    """Return ``rows`` as they are stored, and the largest relative rounding error of a row.

    Args:
        rows: shape ``[r, d]``, any float dtype, or exactly ``dtype`` (then nothing is copied).
        dtype: a key of `STORED`. float64 becomes bfloat16 by way of float32.

    Returns:
        The stored values ``[r, d]``, and max over rows of |stored - x| / |x| (2-norm, finite
        entries; 0 if all are exact).

    Raises:
        ValueError: if ``rows`` has another dtype, or a finite value is too large for ``dtype``.
    """
    layout = np.dtype(STORED[dtype][0])
    if rows.dtype == layout and dtype != "bfloat16":
        return np.ascontiguousarray(rows), 0.0
    if rows.dtype.kind != "f" or dtype not in DTYPES:
        fail("rows", f"values to store as {dtype}", f"dtype {rows.dtype}")
    stored = np.empty(rows.shape, layout)
    lost, size, changed = (np.zeros(len(rows)) for _ in range(3))
    for tile in _tiles(rows.shape):
        stored[tile] = _round(rows[tile], dtype)
        exact, error = _compare(rows[tile], decode(stored[tile], dtype), dtype)
        size[tile[0]] += np.einsum("ij,ij->i", exact, exact)
        lost[tile[0]] += np.einsum("ij,ij->i", error, error)
        changed[tile[0]] += error.any(axis=1)
    # Squares below 1e-300 are too small to divide; what small rows lose, they lose whole.
    normal = size > 1e-300
    ratio = np.sqrt(lost / np.where(normal, size, 1))
    return stored, float(np.where(normal, ratio, changed > 0).max())


def _tiles(shape: tuple[int, int]) -> Iterator[tuple[slice, slice]]:
    height, width = max(1, TILE // shape[1]), TILE
    for top in range(0, shape[0], height):
        for left in range(0, shape[1], width):
            yield slice(top, top + height), slice(left, left + width)


def _round(values: np.ndarray, dtype: str) -> np.ndarray:
    with np.errstate(over="ignore"):  # _compare refuses it
        if dtype == "bfloat16":
            return to_bfloat16(values.astype("<f4"))
        return values.astype(STORED[dtype][0])


def _compare(values: np.ndarray, kept: np.ndarray, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the finite values (0 for others) and kept - value, both float64."""
    finite = np.isfinite(values)
    if (finite & ~np.isfinite(kept)).any():
        fail("rows", f"values within the range of {dtype}", "larger ones")
    exact = np.where(finite, values, 0).astype("f8")
    return exact, np.where(finite, kept, 0) - exact
