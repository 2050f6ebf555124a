"""Forgetting also forgets the statistics: no file of the store holds what was deleted.

Copies of the deleted rows and of the old states are kept aside, and every file is searched, at
every offset, for any 8 bytes in a row of them.
"""

import os

import numpy as np
import pytest

import unlearning as ul
from tests.service.stores import Certificate
from unlearning.service import windows


def runs_of(*contents: bytes) -> np.ndarray:
    """All that stands in 8 bytes in a row, but for those that are nearly all the same byte."""
    found = [np.lib.stride_tricks.sliding_window_view(np.frombuffer(c, "u1"), 8) for c in contents]
    every = np.concatenate(found)
    telling = (np.diff(np.sort(every, axis=1), axis=1) != 0).sum(1) >= 4
    return np.unique(np.ascontiguousarray(every[telling]).view("u8"))


def found_in(folder, secrets: np.ndarray) -> dict[str, int]:
    """How many of the secrets each file has, the ledger and its log included."""
    counts = {}
    for path in folder.iterdir():
        content = path.read_bytes()
        if len(content) >= 8:
            count = int(np.isin(secrets, runs_of(content)).sum())
            counts |= {path.name: count} if count else {}
    return counts


def secrets_of(source, samples, states) -> np.ndarray:
    rows = source.approximators.vectors[samples].numpy().tobytes()
    return runs_of(rows, *states)


def states_in(folder) -> list[bytes]:
    """The numbers of the states, without the header of their files."""
    return [path.read_bytes()[-2 * 14 * 8 - 8 : -8] for path in folder.glob("state*")]


@pytest.mark.parametrize("certificate", [None, Certificate(deletions=9)], ids=str)
def test_nothing_is_left_while_it_is_open_and_when_it_is_closed(source, tmp_path, certificate):
    folder, states = tmp_path / "s", []
    with ul.DeletionService.create(
        folder, source.run, source.approximators, certificate
    ) as service:
        for number, samples in enumerate(([5], [7, 1, 30], [39], [0, 2])):
            states += states_in(folder)
            kept = secrets_of(source, samples, states)
            assert len(kept) > 100
            assert set(found_in(folder, kept)) == {
                path.name for path in folder.glob("*.safetensors")
            }
            service.delete(samples, request=f"r{number}")
            if certificate:
                service.release() if number < 2 else None
            assert found_in(folder, kept) == {}
            assert (folder / "ledger.sqlite-wal").stat().st_size == 0
    assert found_in(folder, secrets_of(source, [0, 1, 2, 5, 7, 30, 39], states)) == {}


def test_nothing_of_the_checksums_is_left(source, folder):
    path = next(folder.glob("rows*"))
    with ul.DeletionService.open(folder) as service:
        with service._store.held() as ledger:
            block = service._store.folder and ledger.document("rows")["blocks"][0]
        assert str(block["crc"]).encode() in (folder / "ledger.sqlite").read_bytes()
        service.delete([5], request="a")
        assert str(block["crc"]).encode() not in (folder / "ledger.sqlite").read_bytes()
    assert path.exists()


@pytest.mark.parametrize("window", [w for w in windows.WINDOWS if w != "counted"])
def test_nothing_is_left_after_a_crash_and_the_next_opening(source, folder, window):
    kept = secrets_of(source, [5, 9], states_in(folder))
    child = os.fork()
    if child == 0:
        service = ul.DeletionService.open(folder)
        windows.reach = lambda name: os._exit(9) if name == window else None
        service.delete([5, 9], request="a")
    os.waitpid(child, 0)
    with ul.DeletionService.open(folder) as service:
        if service.deleted:
            assert found_in(folder, kept) == {}
        else:
            assert window in ("checked", "state written")
            assert set(found_in(folder, kept)) == {p.name for p in folder.glob("*.safetensors")}


def test_a_new_state_of_a_deletion_that_did_not_happen_is_wiped(folder, monkeypatch):
    """Its file is overwritten before it is unlinked, as old states are."""
    child = os.fork()
    if child == 0:
        service = ul.DeletionService.open(folder)
        windows.reach = lambda name: os._exit(9) if name == "state written" else None
        service.delete([5], request="a")
    os.waitpid(child, 0)
    orphan = folder / "state-00000001.safetensors"
    with open(orphan, "rb") as file:  # still readable when it has no name any more
        ul.DeletionService.open(folder).close()
        assert not orphan.exists()
        content = file.read()
    assert len(content) > 200
    assert not any(content)


def test_a_repair_wipes_all_rows_and_weights_before_it(source, folder):
    kept = runs_of(source.approximators.vectors.numpy().tobytes(), *states_in(folder))
    with ul.DeletionService.open(folder) as service:
        service.delete([3], request="a")
        schedule = ul.Schedule(0.05, epochs=1, batch_size=10)
        service.go_on_from(ul.repair(source.run, source.approximators, [3], schedule=schedule))
        assert found_in(folder, kept) == {}
