"""Stores of many rows: round trips, what a read touches, memory, and damage."""

import json
import os
import shutil
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from tests.base.stores import write_store
from unlearning.base import durable
from unlearning.base.shards import (
    DTYPES,
    Rows,
    Writer,
    open_store,
    write_block,
    write_manifest,
)

RNG = np.random.default_rng(3)


@pytest.fixture(autouse=True, scope="module")
def no_waiting_for_the_disk():
    """Flushing is test_durable.py's matter."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(durable, "flush", lambda path: None)
        yield


@settings(deadline=None)  # the disk may be busy
@given(
    rows=st.integers(1, 40),
    columns=st.integers(1, 9),
    dtype=st.sampled_from(DTYPES),
    block_bytes=st.integers(1, 400),
    cuts=st.lists(st.integers(0, 40)),
    data=st.data(),
)
def test_round_trip(tmp_path_factory, rows, columns, dtype, block_bytes, cuts, data):
    folder = tmp_path_factory.mktemp("store")
    values = RNG.standard_normal((rows, columns))
    writer = Writer(folder, columns, dtype, block_bytes=block_bytes)
    for piece in np.split(values, sorted(c for c in cuts if 0 < c < rows)):
        if len(piece):
            writer.append(piece)
    entries = writer.flush()
    store = Rows(folder, entries, dtype)
    rounded = torch.from_numpy(values).to(getattr(torch, dtype))
    tensors = [load_file(folder / entry["file"])["rows"] for entry in entries]
    assert torch.equal(torch.cat(tensors), rounded)
    assert all(t.nbytes <= block_bytes or len(t) == 1 for t in tensors)
    numbers = data.draw(st.lists(st.integers(0, rows - 1), max_size=60))
    read = store.read(numbers)
    assert store.shape == (rows, columns)
    assert read.dtype == (np.float64 if dtype == "float64" else np.float32)
    assert np.array_equal(read, rounded.double().numpy()[numbers].reshape(-1, columns))
    exact = torch.from_numpy(values)
    error = ((rounded.double() - exact).norm(dim=1) / exact.norm(dim=1)).max()
    assert max(e["error"] for e in entries) == pytest.approx(float(error), rel=1e-6)
    shutil.rmtree(folder)


def test_blocks_are_named_in_order_and_close_may_be_asked_again(tmp_path):
    writer = Writer(tmp_path / "new" / "folder", 2, "float32", block_bytes=16, prefix="a")
    writer.append(RNG.random((5, 2)))
    entries = writer.flush()
    assert [e["file"] for e in entries] == [f"a-0000{i}.safetensors" for i in range(3)]
    assert [e["rows"] for e in entries] == [2, 2, 1]
    assert writer.flush() == entries
    assert sorted(os.listdir(tmp_path / "new" / "folder")) == [e["file"] for e in entries]


def test_numbers_of_any_kind_and_an_array_to_fill(tmp_path):
    values = RNG.random((7, 3))
    write_store(tmp_path, values, block_bytes=48)
    store, _ = open_store(tmp_path)
    for numbers in ([6, 0], (6, 0), range(6, -1, -6), np.array([6, 0], "u1"), torch.tensor([6, 0])):
        assert np.array_equal(store.read(numbers), values[[6, 0]])
    out = torch.zeros(7, 3, dtype=torch.float64)
    assert store.read(range(7), out=out.numpy()) is not None
    assert np.array_equal(out.numpy(), values)
    assert store.read([]).shape == (0, 3)


@pytest.mark.parametrize("numbers", [[7], [-1], [0.5], [True], [[1]], 3, "1", None])
def test_numbers_that_are_none_are_refused(tmp_path, numbers):
    write_store(tmp_path, np.ones((7, 3)))
    store, _ = open_store(tmp_path)
    with pytest.raises(ValueError, match="numbers: expected"):
        store.read(numbers)


@pytest.mark.parametrize(
    "out", [np.empty((2, 3), "f4"), np.empty((3, 3)), np.empty((3, 2)).T, np.empty(6)]
)
def test_an_array_that_cannot_be_filled_is_refused(tmp_path, out):
    write_store(tmp_path, np.ones((7, 3)))
    store, _ = open_store(tmp_path)
    with pytest.raises(ValueError, match=r"out: expected float64 \[2, 3\], contiguous, got"):
        store.read([0, 1], out=out)


BIG = (2000, 4096)  # 8 KiB a row in bfloat16


@pytest.fixture(scope="module")
def big(tmp_path_factory):
    folder = tmp_path_factory.mktemp("big")
    write_store(folder, np.full(BIG, 1.5, "f4"), "bfloat16", block_bytes=4 * 2**20)
    return folder


def bytes_read():
    with open("/proc/self/io", encoding="ascii") as file:
        return int(file.readline().split()[1])


def test_a_read_touches_the_rows_asked_and_no_others(big):
    store, manifest = open_store(big)
    assert len(manifest["blocks"]) == 4
    numbers = [1999, 0, 700]
    before = bytes_read()
    looking = bytes_read() - before
    tracemalloc.start()
    before = bytes_read()
    values = store.read(numbers)
    touched = bytes_read() - before - looking
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert np.all(values == 1.5)
    assert touched == 3 * 2 * BIG[1]
    assert peak < 3 * 4 * BIG[1] + 100_000


def test_opening_touches_headers_and_checksums_only(big):
    before = bytes_read()
    open_store(big)
    assert bytes_read() - before < 100_000  # of 16 MB


def test_rows_are_readable_while_all_others_are_damaged(tmp_path):
    values = RNG.random((50, 20))
    write_store(tmp_path, values, block_bytes=4000)
    store, manifest = open_store(tmp_path)
    keep = [3, 17, 49]
    for entry in manifest["blocks"]:
        path = tmp_path / entry["file"]
        data = bytearray(path.read_bytes())
        for number in set(range(50)) - set(keep):
            place = data.find(values[number].tobytes())
            if place >= 0:
                data[place : place + 160] = bytes(160)
        path.write_bytes(data)
    assert np.array_equal(store.read(keep), values[keep])
    for number in set(range(50)) - set(keep):
        with pytest.raises(ValueError, match="rows-0000[01].safetensors: expected row"):
            store.read([number])


def test_the_row_that_was_changed_is_named_in_any_block(tmp_path):
    values = RNG.random((50, 20)).astype("f4")
    write_store(tmp_path, values, "float32", block_bytes=1600)
    store, manifest = open_store(tmp_path)
    for number in (0, 19, 20, 49):
        path = tmp_path / manifest["blocks"][number // 20]["file"]
        whole = path.read_bytes()
        place = whole.index(values[number].tobytes()) + 79
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(ValueError, match=f"{path}: expected row {number % 20} as it was"):
            store.read(range(50))
        path.write_bytes(whole)
    assert np.array_equal(store.read(range(50)), values)


def test_a_writer_holds_one_block_and_not_what_it_was_given(tmp_path):
    piece = RNG.random((1000, 100))  # 0.8 MB, forty times
    tracemalloc.start()
    writer = Writer(tmp_path, 100, "bfloat16", block_bytes=2**20)
    for _ in range(40):
        writer.append(piece)
    entries = writer.flush()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(e["rows"] for e in entries) == 40_000
    # One block; a tile of 2^18 values in float64, four times; the piece as stored.
    assert peak < 2**20 + 4 * 8 * 100_000 + 10**6


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((0, "float32"), "columns: expected an integer of at least 1"),
        ((3, "float16"), "dtype: expected one of float32, float64, bfloat16, got"),
        ((3, "int64"), "dtype: expected one of float32, float64, bfloat16, got"),
    ],
)
def test_writers_of_something_else_are_refused(tmp_path, arguments, words):
    with pytest.raises(ValueError, match=words):
        Writer(tmp_path, *arguments)
    with pytest.raises(ValueError, match="block_bytes: expected an integer of at least 1"):
        Writer(tmp_path, 3, "float32", block_bytes=0)
    writer = Writer(tmp_path, 3, "float32")
    for rows in (np.ones((2, 4)), np.ones(3), np.ones((0, 3))):
        with pytest.raises(ValueError, match=r"rows: expected shape \[r, 3\]"):
            writer.append(rows)
    assert writer.flush() == []


def test_a_store_that_the_system_does_not_give_is_named(tmp_path):
    write_store(tmp_path, np.ones((2, 2)))
    path = tmp_path / "rows-00000.safetensors"
    path.unlink()
    path.mkdir()
    with pytest.raises(ValueError, match=f"^{path}: expected a block of rows, got Is a directory"):
        open_store(tmp_path)
    with pytest.raises(ValueError, match="^folder: expected a path, got 5"):
        open_store(5)


def test_a_writer_refuses_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"^folder: expected a folder.*file/a \(Not a directory"):
        Writer(tmp_path / "file" / "a", 3, "float32")


def test_stores_that_are_none_are_named(tmp_path):
    for entries in ([], [{"file": "x"}], [3], None, [{"file": 1, "rows": 1, "crc": 1}]):
        with pytest.raises(ValueError, match=f"{tmp_path}: expected"):
            Rows(tmp_path, entries, "float32")
    one = write_block(tmp_path / "one", np.ones((1, 3)), "float32")
    two = write_block(tmp_path / "two", np.ones((1, 4)), "float32")
    with pytest.raises(ValueError, match="two: expected 3 columns as in the first block, got 4"):
        Rows(tmp_path, [one, two], "float32")
    with pytest.raises(ValueError, match="one: expected a whole block of 1 rows in float64"):
        Rows(tmp_path, [one], "float64")
    with pytest.raises(ValueError, match="dtype: expected one of"):
        Rows(tmp_path, [one], "half")
    write_manifest(tmp_path, {"blocks": []})
    with pytest.raises(
        ValueError, match="manifest.json: expected a store of rows with dtype, blocks, got no dtype"
    ):
        open_store(tmp_path)


def test_a_store_says_what_its_manifest_says(tmp_path):
    write_store(tmp_path, np.ones((2, 2)), run="abc", convention="R2")
    store, manifest = open_store(tmp_path)
    assert manifest.keys() == {"format", "dtype", "blocks", "run", "convention"}
    assert (manifest["run"], manifest["format"], store.dtype) == ("abc", 1, "float64")


def test_importing_needs_numpy_and_nothing_else():
    """A deletion service must start at once; PyTorch alone takes seconds."""
    code = """
import json, sys
before = set(sys.modules)
import unlearning.base.shards, unlearning.base.checkpoint, unlearning.base.memory
unlearning.base.memory.available()
tops = {name.partition(".")[0] for name in set(sys.modules) - before}
print(json.dumps(sorted(tops - set(sys.stdlib_module_names))))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == ["numpy", "unlearning"]
