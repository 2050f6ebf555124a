"""Killed at any moment, the store is as before the request or as after it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import unlearning as ul
from tests.service.stores import bytes_of, origin
from unlearning.service import windows

ROOT = Path(__file__).resolve().parents[2]
KILLS, DELETIONS = 240, 10_000
#: Named windows after the commit: the request stands.
AFTER = ("committed", "row erased", "rows erased", "overwritten", "unlinked", "erasure committed")


def test_ten_thousand_deletions_across_crashes(tmp_path):
    made = origin(tmp_path / "store", n=2600, features=2)
    np.savez(
        tmp_path / "store.npz",
        weights=made.run.weights.double().numpy(),
        rows=made.approximators.vectors.double().numpy(),
    )
    words = [str(made.folder), str(KILLS), str(DELETIONS), "1"]
    done = subprocess.run(
        [sys.executable, "-m", "tests.service.killed", *words],
        capture_output=True, text=True, cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    counts = json.loads(done.stdout)
    assert counts["kills"] >= KILLS
    assert counts["deleted"] >= DELETIONS
    assert counts["any moment"] > KILLS / 6
    assert set(counts) >= set(AFTER) | {"checked", "state written", "emptied"}
    assert counts["after the moment, before the word"] > 0


def dies_at(folder, window, samples, request) -> None:
    """Delete in a fork that is ended when it first reaches a window."""
    child = os.fork()
    if child == 0:
        service = ul.DeletionService.open(folder)
        windows.reach = lambda name: os._exit(9) if name == window else None
        service.delete(samples, request=request)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


@pytest.mark.parametrize("window", [w for w in windows.WINDOWS if w != "counted"])
def test_each_window_is_what_the_table_says(source, folder, window):
    with ul.DeletionService.open(folder) as service:
        service.delete([5], request="a")
    states = {path.name for path in folder.glob("state-*")}
    dies_at(folder, window, [7, 8], "b")
    left = {path.name for path in folder.glob("state-*")}
    expected = 2 if window in AFTER[:4] + ("state written",) else 1
    assert len(left) == expected
    with ul.DeletionService.open(folder) as service:
        after = window not in ("checked", "state written")
        assert service.deleted == ((5, 7, 8) if after else (5,))
        found = service.audit()
        assert (found.sound, found.strangers) == (True, [])
        now = {path.name for path in folder.glob("state-*")}
        assert len(now) == 1
        assert (now != states) == after
        assert service.delete([8, 7], request="b").samples == [7, 8]
        assert service.weights.tobytes() == source.expected([5, 7, 8]).tobytes()


def test_windows_of_a_deletion_come_in_the_order_of_the_table(service, monkeypatch):
    seen = []
    monkeypatch.setattr(windows, "reach", seen.append)
    service.delete([1], request="a")
    assert (*seen, "counted") == windows.WINDOWS


def test_a_process_that_was_open_meanwhile_completes_what_another_left(source, folder):
    """The connection that stays open has not seen the other's log; it must not trust its view."""
    for number, window in enumerate(windows.WINDOWS[:-1]):
        with ul.DeletionService.open(folder) as service:
            before = service.deleted
            dies_at(folder, window, [number], f"r{number}")
            now = service.deleted
            assert set(now) - set(before) in ({number}, set())
            assert service.delete([number], request=f"r{number}").samples == [number]
            assert service.audit().sound
    with ul.DeletionService.open(folder) as service:
        assert service.weights.tobytes() == source.expected(list(range(9))).tobytes()


def test_a_release_cut_off_is_counted_and_tells_nothing(folder):
    child = os.fork()
    if child == 0:
        service = ul.DeletionService.open(folder)
        windows.reach = lambda name: os._exit(9) if name == "counted" else None
        service.release()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    with ul.DeletionService.open(folder) as service:
        assert service.audit().releases == 1


def test_an_unfinished_creation_is_no_store(source, tmp_path, monkeypatch):
    from unlearning.service import creation

    place = tmp_path / "s"
    monkeypatch.setattr(creation.Ledger, "transaction", lambda self: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        ul.DeletionService.create(place, source.run, source.approximators)
    monkeypatch.undo()
    before = {path.name for path in place.iterdir()}
    with pytest.raises(ValueError, match="ledger.sqlite: expected .*unfinished"):
        ul.DeletionService.open(place)
    assert {path.name for path in place.iterdir()} == before
    bytes_of(place)
