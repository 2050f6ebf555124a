"""Argument checks: what is let through, and how the rest is named."""

import errno
import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch

from unlearning.base import checks


@pytest.mark.parametrize("value", [True, False])
def test_booleans_are_let_through(value):
    assert checks.boolean("x", value) is value


@pytest.mark.parametrize("value", ["no", 0, 1, None, np.True_])
def test_nothing_else_is_a_boolean(value):
    with pytest.raises(
        ValueError, match=f"^x: expected True or False, got {re.escape(repr(value))}$"
    ):
        checks.boolean("x", value)


def test_instances_are_let_through_and_other_types_named():
    assert checks.instance("x", "text", str, "a text") == "text"
    with pytest.raises(ValueError, match="^x: expected a text, got NoneType$"):
        checks.instance("x", None, str, "a text")


@pytest.mark.parametrize(
    "values",
    [[1, 2], (1, 2), range(1, 3), {1: "a", 2: "b"}, torch.tensor([1, 2]), np.array([1, 2])],
)
def test_what_can_be_listed_is(values):
    assert checks.listed("x", values, "a list") == [1, 2]


@pytest.mark.parametrize("values", ["12", b"12", 3, None, torch.tensor(3), np.int64(3)])
def test_what_cannot_be_listed_is_refused(values):
    with pytest.raises(ValueError, match="^x: expected a list of such, got"):
        checks.listed("x", values, "a list of such")


# Folders.


def test_a_folder_and_its_parents_are_made(tmp_path):
    assert checks.folder("x", str(tmp_path / "a" / "b")) == tmp_path / "a" / "b"
    assert (tmp_path / "a" / "b").is_dir()
    assert checks.folder("x", tmp_path) == tmp_path


def test_without_making_nothing_is_touched(tmp_path):
    assert checks.folder("x", tmp_path / "a" / "b", make=False) == tmp_path / "a" / "b"
    assert checks.folder("x", str(tmp_path), make=False) == tmp_path
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("make", [True, False])
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("file", "File exists|Not a directory"),
        ("file/below", "Not a directory"),
        ("file/far/below", "Not a directory"),
        ("n" * 300, "File name too long"),
        ("null\0", "embedded null byte"),
    ],
)
def test_what_the_system_refuses_is_named(tmp_path, name, reason, make):
    (tmp_path / "file").touch()
    place = str(tmp_path / name)
    with pytest.raises(
        ValueError, match=r"^x: expected a folder, or the path of a new one, got"
    ) as e:
        checks.folder("x", place, make=make)
    assert re.search(rf"^.*got {re.escape(place)} \(({reason})\)$", str(e.value))
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_place_where_no_folder_can_be_made_is_named():
    with pytest.raises(ValueError, match=r"^x: expected a folder.*got /proc/a \(No such file"):
        checks.folder("x", "/proc/a")


def test_missing_permission_is_named(tmp_path, monkeypatch):
    """The tests may run as a user to whom all is permitted, so the system's answer is made up."""

    def refused(path, *_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(os, "mkdir", refused)
        with pytest.raises(
            ValueError, match=rf"^x: expected a fol.* got {tmp_path}/a \(Permission den"
        ):
            checks.folder("x", tmp_path / "a")
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    with pytest.raises(
        ValueError, match=r"^x: expected a folder that can be written to, got .*permis"
    ):
        checks.folder("x", tmp_path)
    assert checks.folder("x", tmp_path, make=False) == tmp_path  # it may be finished, and read


@pytest.mark.parametrize("value", [5, None, b"x", ["x"]])
def test_what_is_no_path_is_refused(value):
    for check in (checks.path, checks.folder):
        with pytest.raises(ValueError, match=f"^x: expected a path, got {re.escape(repr(value))}$"):
            check("x", value)
    assert checks.path("x", "a/b") == Path("a/b")


# Two mappings.


def test_equal_mappings_are_the_same():
    checks.same("x", {"a": [1], "b": None}, {"b": None, "a": [1]})


def test_each_key_that_differs_is_given_with_both_values():
    wanted = {"a": 1, "same": 2, "lacking": None, "text": "nothing"}
    given = {"text": "b", "same": 2, "a": 3, "more": []}
    with pytest.raises(ValueError, match="^x: expected a") as error:
        checks.same("x", wanted, given, " as in one", " in other")
    assert str(error.value) == (
        "x: expected a = 1, lacking = None, more = nothing, text = 'nothing' as in one, "
        "got a = 3, lacking = nothing, more = [], text = 'b' in other"
    )


def test_a_mapping_within_is_compared_by_its_own_keys():
    wanted = {"how": {"chunk": 2, "same": {"deep": 1}}, "empty": {}}
    with pytest.raises(ValueError, match="^x: expected how.chunk = 2, got how.chunk = 3$"):
        checks.same("x", wanted, {"how": {"chunk": 3, "same": {"deep": 1}}, "empty": {}})
    with pytest.raises(ValueError, match="^x: expected empty = {}, got empty = nothing$"):
        checks.same("x", wanted, {"how": wanted["how"]})
    checks.same("x", wanted, {**wanted})


def test_long_values_are_cut():
    with pytest.raises(ValueError, match=r"^x: expected a = \[0, 1, 2, ") as error:
        checks.same("x", {"a": list(range(10**5))}, {})
    assert len(str(error.value)) < 150


def test_an_integer_beyond_all_floats_is_not_finite():
    with pytest.raises(ValueError, match="x: expected a finite number, got a larger one"):
        checks.finite("x", 10**400)
