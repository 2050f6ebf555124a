"""One block of rows: against the safetensors library's own reader, and damaged in every way."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from unlearning.base.blocks import Block, write_block

VALUES = np.random.default_rng(2).standard_normal((6, 5))


def read(path, entry, dtype, numbers=None):
    block = Block(path, entry["rows"], entry["crc"], dtype)
    numbers = range(entry["rows"]) if numbers is None else numbers
    kind = "float32" if dtype == "bfloat16" else dtype
    out = np.empty((len(numbers), block.columns), kind)
    block.read(numbers, out)
    return out


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "int64", "uint8", "bool"])
def test_a_file_opens_with_the_library_and_holds_the_same(tmp_path, dtype):
    kind = getattr(torch, dtype)
    expected = torch.from_numpy(VALUES * 100).to(kind)
    rows = VALUES * 100 if kind.is_floating_point else expected.numpy()
    entry = write_block(tmp_path / "x.safetensors", rows, dtype)
    found = load_file(tmp_path / "x.safetensors")
    assert set(found) == {"rows", "checksums"}
    assert found["rows"].dtype == kind
    assert torch.equal(found["rows"], expected)
    assert found["checksums"].dtype == torch.uint32
    assert (entry["file"], entry["rows"]) == ("x.safetensors", 6)
    ours = read(tmp_path / "x.safetensors", entry, dtype)
    assert torch.equal(torch.from_numpy(ours).to(kind), expected)


def test_checksums_are_those_of_the_stored_bytes(tmp_path):
    import binascii

    write_block(tmp_path / "x.safetensors", VALUES, "bfloat16")
    found = load_file(tmp_path / "x.safetensors")
    stored = found["rows"].view(torch.int16).numpy()
    assert found["checksums"].tolist() == [binascii.crc32(row.tobytes()) for row in stored]


def test_others_may_read_it_as_any_file_and_nothing_else_is_left(tmp_path):
    write_block(tmp_path / "x", VALUES, "float32")
    (tmp_path / "y").touch()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x", "y"]
    assert (tmp_path / "x").stat().st_mode == (tmp_path / "y").stat().st_mode


def test_rows_in_any_order_also_twice(tmp_path):
    entry = write_block(tmp_path / "x", VALUES, "float64")
    assert np.array_equal(read(tmp_path / "x", entry, "float64", [4, 0, 4]), VALUES[[4, 0, 4]])


def test_rows_that_are_not_contiguous(tmp_path):
    for rows in (VALUES.T, VALUES[::2, ::-1], np.asfortranarray(VALUES), VALUES.astype(">f8")):
        entry = write_block(tmp_path / "x", rows, "float64")
        assert np.array_equal(read(tmp_path / "x", entry, "float64"), rows)


def test_tensors_may_be_given(tmp_path):
    entry = write_block(tmp_path / "x", torch.from_numpy(VALUES), "float64")
    assert np.array_equal(read(tmp_path / "x", entry, "float64"), VALUES)


@pytest.mark.parametrize("rows", [np.ones(3), np.ones((0, 3)), np.ones((3, 0)), np.ones((1, 1, 1))])
def test_other_shapes_are_refused(tmp_path, rows):
    with pytest.raises(ValueError, match=r"rows: expected shape \[r, d\] with at least 1 of each"):
        write_block(tmp_path / "x", rows, "float32")
    with pytest.raises(ValueError, match="dtype: expected one of float32, float64, bfloat16"):
        write_block(tmp_path / "x", VALUES, "float16")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_each_changed_byte_is_found_and_named(tmp_path, dtype):
    path = tmp_path / "rows-7.safetensors"
    entry = write_block(path, VALUES, dtype)
    whole, content = path.read_bytes(), read(path, entry, dtype)
    meant_nothing = 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        try:
            same = np.array_equal(read(path, entry, dtype), content)
            meant_nothing += 1
        except ValueError as error:
            same = str(path) in str(error)
        assert same, f"byte {place}"
    assert meant_nothing < 8  # padding of the header


def test_a_flipped_bit_is_named_with_its_row_and_others_stay_readable(tmp_path):
    path = tmp_path / "x.safetensors"
    entry = write_block(path, VALUES, "float64")
    data = bytearray(path.read_bytes())
    place = data.index(VALUES[3].tobytes())
    data[place + 11] ^= 128
    path.write_bytes(data)
    with pytest.raises(ValueError, match=rf"{path}: expected row 3 as it was written"):
        read(path, entry, "float64")
    assert np.array_equal(read(path, entry, "float64", [5, 2, 4]), VALUES[[5, 2, 4]])


def test_a_truncated_file_is_named_at_every_length(tmp_path):
    path = tmp_path / "x.safetensors"
    entry = write_block(path, VALUES, "float32")
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=f"{path}: expected a whole block of 6 rows in float"):
            read(path, entry, "float32")
    path.write_bytes(whole + b"\0")
    with pytest.raises(ValueError, match=f"{path}: expected a whole block of 6 rows in float"):
        read(path, entry, "float32")
    path.unlink()
    with pytest.raises(ValueError, match=f"{path}: expected a block of rows, got No such file"):
        read(path, entry, "float32")


def test_a_file_cut_or_removed_after_it_was_opened_is_named(tmp_path):
    path = tmp_path / "x.safetensors"
    entry = write_block(path, VALUES, "bfloat16")
    block, out = Block(path, 6, entry["crc"], "bfloat16"), np.empty((6, 5), "f4")
    with open(path, "r+b") as file:
        file.truncate(path.stat().st_size - 15)
    with pytest.raises(ValueError, match=f"{path}: expected 6 rows, got a file that ends in row 4"):
        block.read(range(6), out)
    path.unlink()
    with pytest.raises(ValueError, match=f"{path}: expected a block of rows, got No such file"):
        block.read(range(6), out)


@pytest.mark.parametrize(("rows", "dtype"), [(5, "float64"), (7, "float64"), (6, "float32")])
def test_another_block_than_the_manifest_says_is_named(tmp_path, rows, dtype):
    entry = write_block(tmp_path / "x", VALUES, "float64")
    with pytest.raises(ValueError, match=f"x: expected a whole block of {rows} rows in {dtype}"):
        Block(tmp_path / "x", rows, entry["crc"], dtype)


def test_a_whole_block_of_the_same_shape_in_its_place_is_found(tmp_path):
    """What a restore of the wrong backup would be: each row agrees with its own checksum."""
    entry = write_block(tmp_path / "x", VALUES, "float64")
    write_block(tmp_path / "x", -VALUES, "float64")
    with pytest.raises(ValueError, match="x: expected the checksums that were written, got others"):
        Block(tmp_path / "x", 6, entry["crc"], "float64")
