"""`unlearning delete`, `release` and `audit`, as a user runs them."""

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from typer.testing import CliRunner

import unlearning as ul
from tests.service.stores import Certificate, origin
from unlearning.base.locks import held
from unlearning.companion import cli


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return origin(tmp_path_factory.mktemp("made") / "store")


@pytest.fixture
def store(made, tmp_path, monkeypatch):
    """A store in the current folder, from which nothing is deleted yet."""
    monkeypatch.chdir(tmp_path)
    return made.copy(tmp_path / "store")


def call(*words, code=0):
    result = CliRunner().invoke(cli.app, [words[0], "--store", "store", *words[1:]])
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else result.output


def test_a_deletion_prints_its_receipt_each_time(store, made):
    receipt = json.loads(call("delete", "--request", "r-2026-001", "3", "14"))
    assert (receipt["request"], receipt["samples"]) == ("r-2026-001", [3, 14])
    assert not receipt["certified"]
    assert json.loads(call("delete", "--request", "r-2026-001", "14", "3")) == receipt
    call("release", "--out", "w.npy")
    assert np.load("w.npy").tobytes() == made.expected([3, 14]).tobytes()
    found = json.loads(call("audit"))
    assert (found["sound"], found["deleted"], found["releases"]) == (True, 2, 1)


def test_safetensors(store, made):
    call("release", "--out", "w.safetensors")
    assert load_file("w.safetensors")["rows"].tobytes() == made.run.weights.numpy().tobytes()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["delete", "--request", "r", "3", "40"],
            "error: samples: expected an integer from 0 to 39",
        ),
        (["delete", "--request", "", "3"], "error: request: expected a printable text"),
        (["release", "--out", "w.txt"], "expected a name in .npy or .safetensors, got 'w.txt'"),
        (["release", "--out", "nowhere/w.npy"], "expected a new file in a folder"),
        (["release", "--out", "here.npy"], "expected a new file in a folder"),
        (["audit", "--timeout", "-1"], "error: timeout: expected a finite number of at least 0"),
    ],
)
def test_refusals_exit_2_and_change_nothing(store, words, message):
    Path("here.npy").write_text("mine")
    assert message in call(*words, code=2)
    found = json.loads(call("audit"))
    assert (found["deleted"], found["releases"]) == (0, 0)
    assert Path("here.npy").read_text() == "mine"


def test_no_store_a_busy_one_and_a_damaged_one(store):
    with held(store):
        assert "no other process is writing to" in call("audit", "--timeout", "0", code=2)
    row = next(store.glob("rows*"))
    content = bytearray(row.read_bytes())
    content[200] ^= 1
    row.write_bytes(content)
    found = json.loads(call("audit", code=1))
    assert row.name in found["problems"][0]
    row.unlink()
    assert f"{row.name}: expected a block of rows, got No such file" in call("audit", code=2)
    (store / "ledger.sqlite").unlink()
    assert "expected a store of a deletion service" in call("audit", code=2)


def test_a_certified_store_releases_with_noise_and_then_refuses(tmp_path, monkeypatch, made):
    monkeypatch.chdir(tmp_path)
    one = Certificate(mode="single", releases=1)
    ul.DeletionService.create("store", made.run, made.approximators, one).close()
    call("release", "--out", "w.npy")
    assert not np.isin(np.load("w.npy"), made.run.weights.numpy()).any()
    assert "release: expected at most 1 release" in call("release", "--out", "v.npy", code=2)
    assert not Path("v.npy").exists()
