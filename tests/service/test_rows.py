"""Rows that are erased in place: gone for every reader, and refused by name."""

import zlib

import numpy as np
import pytest
from safetensors.numpy import load_file

from unlearning.base.blocks import Block, write_block
from unlearning.service.rows import RowFiles, tombstone

VALUES = np.random.default_rng(0).standard_normal((10, 7))


@pytest.fixture(params=["float32", "float64"])
def rows(request, tmp_path):
    """Ten rows in blocks of 4, 4 and 2."""
    entries = []
    for first in (0, 4, 8):
        part = VALUES[first : first + 4].astype(request.param)
        entry = write_block(tmp_path / f"{first}.safetensors", part, request.param)
        entries.append(entry | {"first": first})
    return RowFiles(tmp_path, entries, request.param)


def read(rows, samples):
    return np.concatenate(list(rows.read(samples)))


def erased(rows, samples):
    """The rows after an erasure, as the ledger would have them."""
    entries = rows.entries_without(samples)
    rows.erase(samples)
    return RowFiles(rows.folder, entries, rows.dtype)


def test_the_others_stay_as_they_were(rows):
    after = erased(rows, [9, 1, 4, 2])
    kept = [0, 3, 5, 6, 7, 8]
    assert np.array_equal(read(after, kept), VALUES[kept].astype(rows.dtype))


@pytest.mark.parametrize("sample", [1, 4, 9])
def test_an_erased_row_is_zeros_and_is_refused_by_name(rows, sample):
    after = erased(rows, [1, 4, 9])
    name, row = f"{sample // 4 * 4}.safetensors", sample % 4
    stored = load_file(rows.folder / name)
    assert not stored["rows"][row].any()
    assert stored["checksums"][row] == tombstone(stored["rows"][row].nbytes)
    with pytest.raises(ValueError, match=f"{name}: expected row {row} as it was written"):
        read(after, [sample])
    assert after.block(sample // 4).not_erased([row]) == []
    assert after.block(0).not_erased([0, 3]) == [0, 3]


def test_zeros_that_were_written_are_a_row_like_others(tmp_path):
    entry = write_block(tmp_path / "x", np.zeros((2, 3)), "float64") | {"first": 0}
    rows = RowFiles(tmp_path, [entry], "float64")
    assert rows.block(0).not_erased([0, 1]) == [0, 1]
    after = erased(rows, [0])
    assert after.block(0).not_erased([0, 1]) == [1]
    assert np.array_equal(read(after, [1]), np.zeros((1, 3)))


def test_the_checksum_of_an_erased_row_is_that_of_no_zeros():
    for width in (4, 28, 31_400):
        assert tombstone(width) != zlib.crc32(bytes(width))


def test_the_checksum_is_erased_too(rows):
    secret = zlib.crc32(VALUES[5].astype(rows.dtype)).to_bytes(4, "little")
    path = rows.folder / "4.safetensors"
    assert secret in path.read_bytes()
    erased(rows, [5])
    assert secret not in path.read_bytes()


def test_erasing_again_changes_nothing_and_mends_what_was_cut_off(rows):
    entries = rows.entries_without([4, 6])
    half = rows.folder / "4.safetensors"
    before = half.read_bytes()
    rows.erase([4, 6])
    whole = half.read_bytes()
    rows.erase([4, 6])
    assert half.read_bytes() == whole
    half.write_bytes(before[: len(before) // 2] + whole[len(whole) // 2 :])
    rows.erase([4, 6])
    assert half.read_bytes() == whole
    Block(half, 4, entries[1]["crc"], rows.dtype)


def test_a_ledger_that_does_not_know_of_an_erasure_is_contradicted(rows):
    rows.erase([5])
    with pytest.raises(ValueError, match="4.safetensors: expected the checksums that were written"):
        read(rows, [6])
