"""Manifests: what is read is what was written, or an error that names the file."""

import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unlearning.base import durable
from unlearning.base.durable import read_manifest, write_manifest

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
keys = st.text().filter(lambda key: key not in ("format", "crc"))


@settings(deadline=None)  # the disk may be busy
@given(st.dictionaries(keys, values, max_size=5))
def test_what_is_read_is_what_was_written(tmp_path_factory, content):
    folder = tmp_path_factory.getbasetemp()
    write_manifest(folder, content, "any.json")
    assert read_manifest(folder, "any.json") == {**content, "format": 1}


def test_a_manifest_that_was_read_may_be_written_again(tmp_path):
    write_manifest(tmp_path, {"a": 1})
    write_manifest(tmp_path, {**read_manifest(tmp_path), "b": (2,), 3: float("inf")})
    assert read_manifest(tmp_path) == {"format": 1, "a": 1, "b": [2], "3": float("inf")}


def test_each_changed_byte_is_found_and_named(tmp_path):
    write_manifest(tmp_path, {"rows": 12, "name": "x", "eta": 0.05, "on": True})
    path = tmp_path / "manifest.json"
    whole, content = path.read_bytes(), read_manifest(tmp_path)
    refused = 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            same = read_manifest(tmp_path) == content  # between two words: says the same
        except ValueError as error:
            same = str(path) in str(error)
            refused += 1
        assert same, f"byte {place}"
    assert refused > 0.7 * len(whole)


def test_missing_malformed_and_other_formats_are_named(tmp_path):
    path = tmp_path / "manifest.json"
    with pytest.raises(ValueError, match=f"{path}: expected a manifest, got no such file"):
        read_manifest(tmp_path)
    for text in ("", "{", "[1]", "3", "{}", '{"format": 1}', "\ufeff\x00"):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(ValueError, match=f"{path}: expected a manifest .JSON., got"):
            read_manifest(tmp_path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=f"{path}: expected a manifest .JSON., got"):
        read_manifest(tmp_path)
    path.write_text(json.dumps({"format": 2, "crc": 0}), encoding="utf-8")
    with pytest.raises(ValueError, match=f"{path}: expected a manifest of format 1, got format 2"):
        read_manifest(tmp_path)


def test_a_manifest_that_the_system_does_not_give_is_named(tmp_path):
    (tmp_path / "manifest.json").mkdir()
    (tmp_path / "file").touch()
    for folder, reason in (
        (tmp_path, "Is a directory"),
        (tmp_path / "file", "Not a directory"),
        (tmp_path / ("n" * 300), "File name too long"),
    ):
        place = folder / "manifest.json"
        with pytest.raises(
            ValueError, match=f"^{place}: expected a manifest that .* got {reason}$"
        ):
            read_manifest(folder)


def test_what_json_cannot_hold_is_refused_and_changes_nothing(tmp_path):
    write_manifest(tmp_path, {"a": 1})
    with pytest.raises(ValueError, match="content: expected plain values .JSON., got"):
        write_manifest(tmp_path, {"a": {1, 2}})
    assert read_manifest(tmp_path)["a"] == 1
    assert os.listdir(tmp_path) == ["manifest.json"]


def test_bytes_reach_the_disk_before_the_name_and_the_name_before_the_return(tmp_path, monkeypatch):
    """A power cut cannot be tried here; the order of the calls that guard against it can."""
    events, opened = [], os.fsync

    def fsync(handle):
        events.append(("fsync", os.readlink(f"/proc/self/fd/{handle}")))
        opened(handle)

    def rename(source, target, original=os.replace):
        events.append(("rename", str(source), str(target)))
        original(source, target)

    monkeypatch.setattr(durable.os, "fsync", fsync)
    monkeypatch.setattr(durable.os, "replace", rename)
    write_manifest(tmp_path, {"a": 1})
    part, whole = str(tmp_path / "manifest.json.part"), str(tmp_path / "manifest.json")
    assert events == [("fsync", part), ("rename", part, whole), ("fsync", str(tmp_path))]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    write_manifest(tmp_path, {"a": 1})

    def fail(part):
        part.write_text("half")
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        durable.replace(tmp_path / "manifest.json", fail)
    assert read_manifest(tmp_path)["a"] == 1
    assert os.listdir(tmp_path) == ["manifest.json"]
