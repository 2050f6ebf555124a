"""Parts of a store become one, or an error names what is missing, twice or different."""

import shutil

import numpy as np
import pytest

from tests.base.stores import write_store
from unlearning.base.shards import merge, open_store, read_manifest, write_manifest

VALUES = np.random.default_rng(6).random((10, 4))


def write_parts(folder, *ranges, of=10, **meta):
    for begin, end in ranges:
        part = folder / f"part-{begin}"
        write_store(part, VALUES[begin:end], block_bytes=64, first=begin, of=of, **meta)
    return [folder / f"part-{begin}" for begin, _ in ranges]


def test_parts_in_any_order_make_one_store_and_nothing_is_copied(tmp_path):
    parts = write_parts(tmp_path, (7, 10), (0, 3), (3, 7), run="x")
    merge(tmp_path, parts)
    store, manifest = open_store(tmp_path)
    assert np.array_equal(store.read(range(10)), VALUES)
    assert manifest["blocks"][0]["file"] == "part-0/rows-00000.safetensors"
    kept = {key: manifest[key] for key in ("run", "of", "first", "dtype")}
    assert kept == {"run": "x", "of": 10, "first": 0, "dtype": "float64"}
    assert sorted(path.name for path in tmp_path.glob("*.safetensors")) == []
    moved = shutil.move(tmp_path, tmp_path.with_name("elsewhere"))
    assert np.array_equal(open_store(moved)[0].read([9, 0]), VALUES[[9, 0]])


def test_a_relative_folder_will_do(tmp_path, monkeypatch):
    write_parts(tmp_path / "whole", (0, 4), (4, 10))
    monkeypatch.chdir(tmp_path)
    merge("whole", ["whole/part-4", "whole/part-0"])
    assert open_store("whole")[0].shape == (10, 4)


@pytest.mark.parametrize(
    ("ranges", "words"),
    [
        ([(0, 3), (5, 10)], "rows 3 to 4, got no part that has them"),
        ([(2, 10)], "rows 0 to 1, got no part that has them"),
        ([(0, 4), (4, 8)], "rows 8 to 9, got no part that has them"),
        ([(0, 6), (4, 10)], "each row once, got row 4 in part-0 and in part-4"),
        ([(0, 10), (3, 5)], "each row once, got row 3 in part-0 and in part-3"),
    ],
)
def test_rows_missing_or_twice_are_named(tmp_path, ranges, words):
    with pytest.raises(ValueError, match=f"parts: expected {words}"):
        merge(tmp_path, write_parts(tmp_path, *ranges))
    assert not (tmp_path / "manifest.json").exists()


def test_the_same_part_twice_and_too_many_rows_are_named(tmp_path):
    parts = write_parts(tmp_path, (0, 4), (4, 10), of=8)
    with pytest.raises(ValueError, match="parts: expected 8 rows, got row 9 in part-4"):
        merge(tmp_path, parts)
    with pytest.raises(ValueError, match="each row once, got row 0 in part-0 and in part-0"):
        merge(tmp_path, [*parts, parts[0]])
    shutil.copytree(parts[0], tmp_path / "copy")
    with pytest.raises(ValueError, match="each row once, got row 0 in .*copy"):
        merge(tmp_path, [*parts, tmp_path / "copy"])


def test_parts_of_other_runs_are_named(tmp_path):
    parts = write_parts(tmp_path, (0, 4), run="a") + write_parts(tmp_path, (4, 10), run="b")
    with pytest.raises(
        ValueError, match="parts: expected run = 'a' as in part-0, got run = 'b' in part-4$"
    ):
        merge(tmp_path, parts)
    write_store(tmp_path / "other", VALUES[4:], "float32", first=4, of=10, run="a")
    with pytest.raises(
        ValueError, match="dtype = 'float64' as in part-0, got dtype = 'float32' in other"
    ):
        merge(tmp_path, [parts[0], tmp_path / "other"])
    write_store(tmp_path / "third", VALUES[4:], first=4, of=9, quirks=["x"], run="a")
    with pytest.raises(
        ValueError,
        match=r"of = 10, quirks = nothing as in part-0, got of = 9, quirks = \['x'\] in third",
    ):
        merge(tmp_path, [parts[0], tmp_path / "third"])


def test_parts_must_be_stores_within_the_folder(tmp_path):
    parts = write_parts(tmp_path, (0, 10))
    inside = tmp_path / "inside"
    for folder, part in ((inside, parts[0]), (parts[0], parts[0])):
        with pytest.raises(ValueError, match="parts: expected folders within"):
            merge(folder, [part])
    with pytest.raises(ValueError, match="parts: expected at least one folder, got none"):
        merge(tmp_path, [])
    with pytest.raises(ValueError, match="missing/manifest.json: expected a manifest, got no such"):
        merge(tmp_path, [tmp_path / "missing"])
    write_store(tmp_path / "alone", VALUES)
    with pytest.raises(
        ValueError,
        match="alone/manifest.json: expected a store of rows with dtype.*, got no first, of",
    ):
        merge(tmp_path, [tmp_path / "alone"])


def test_a_part_with_a_damaged_block_is_not_merged(tmp_path):
    parts = write_parts(tmp_path, (0, 4), (4, 10))
    (parts[1] / "rows-00001.safetensors").unlink()
    with pytest.raises(ValueError, match="part-4/rows-00001.safetensors: expected a block"):
        merge(tmp_path, parts)
    assert not (tmp_path / "manifest.json").exists()


def test_a_merged_store_may_be_a_part(tmp_path):
    inner = tmp_path / "first-half"
    merge(inner, write_parts(inner, (0, 4), (4, 6), of=6))
    manifest = read_manifest(inner)
    write_manifest(inner, {**manifest, "of": 10})
    merge(tmp_path, [inner, *write_parts(tmp_path, (6, 10))])
    assert np.array_equal(open_store(tmp_path)[0].read(range(10)), VALUES)
