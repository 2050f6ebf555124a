"""Rows on disk are indexed as a tensor is, and no other rows than these are read."""

from pathlib import Path

import numpy as np
import pytest
import torch

from tests.base.stores import write_store
from unlearning.base.shards import open_store
from unlearning.base.stored import StoredRows

VALUES = torch.from_numpy(np.random.default_rng(5).standard_normal((7, 3)))
MASK = torch.tensor([True, False, False, True, True, False, False])


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    write_store(folder, VALUES.numpy(), block_bytes=48)
    return StoredRows(open_store(folder)[0], torch.device("cpu"))


@pytest.mark.parametrize(
    "which",
    [
        0, -1, np.int64(4), np.int32(4), np.uint8(4), torch.tensor(-2), [6, 0, -3], [],
        slice(None), slice(-3, None), slice(4, 1), torch.tensor([2, 2, -7]),
        torch.tensor([2, -7], dtype=torch.int32), torch.tensor([], dtype=torch.int64), MASK,
        MASK.tolist(), torch.zeros(7, dtype=torch.bool),
    ],
    ids=str,
)  # fmt: skip
def test_rows_are_those_of_a_tensor(stored, which):
    found, expected = stored[which], VALUES[which]
    assert found.shape == expected.shape
    assert torch.equal(found, expected)


def test_backwards_too_unlike_a_tensor(stored):
    assert torch.equal(stored[5:0:-2], VALUES[[5, 3, 1]])


@pytest.mark.parametrize("which", [7, -8, [0, 7], torch.tensor([-8, 0]), torch.tensor(7)], ids=str)
def test_rows_that_there_are_not_are_named_with_the_range(stored, which):
    with pytest.raises(IndexError, match="^rows: expected numbers from -7 to 6, got (7|-8)$"):
        stored[which]


@pytest.mark.parametrize(
    "which",
    [
        True, [True, False], MASK[:6], torch.ones(7, 1, dtype=torch.bool), [0.5],
        torch.tensor([1.0]), torch.tensor([[1]]), torch.tensor([1], dtype=torch.uint8),
    ],
    ids=str,
)  # fmt: skip
def test_other_tensors_are_no_index(stored, which):
    with pytest.raises(
        IndexError, match=r"^rows: expected integers \[m\] or bool \[7\], got (bool|fl|int|uint)"
    ):
        stored[which]


@pytest.mark.parametrize("which", [["a"], [[1, 2], [3]], [2**63], [None]], ids=str)
def test_lists_of_something_else_are_no_index(stored, which):
    with pytest.raises(IndexError, match="^rows: expected numbers, got"):
        stored[which]


def test_they_are_read_wherever_the_process_has_gone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_store(Path("store"), VALUES.numpy())
    rows = StoredRows(open_store("store")[0], torch.device("cpu"))
    monkeypatch.chdir("/")
    assert torch.equal(rows[:], VALUES)


@pytest.mark.parametrize("which", [(1, 2), None, "1", 1.0, ...], ids=str)
def test_other_kinds_are_no_index(stored, which):
    with pytest.raises(IndexError, match="^rows: expected a number, slice, list or tensor, got"):
        stored[which]


def test_walking_along_the_rows_ends(stored):
    assert torch.equal(torch.stack(list(stored)), VALUES)
    assert len(stored) == 7


@pytest.mark.parametrize(
    ("kept", "read"),
    [("float32", torch.float32), ("float64", torch.float64), ("bfloat16", torch.float32)],
)
def test_dtype_shape_and_device_are_those_of_what_is_read(tmp_path, kept, read):
    write_store(tmp_path, VALUES.numpy(), kept)
    found = StoredRows(open_store(tmp_path)[0], "cpu")
    assert found.dtype == found[0].dtype == read
    assert found.device == found[:].device == torch.device("cpu")
    assert found.shape == found[:].shape == VALUES.shape
