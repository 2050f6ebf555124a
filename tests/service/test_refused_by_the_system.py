"""A full disk, a file too large, no permission: named, and the store is as before or as after."""

import errno
import os
import resource
import shutil
import sqlite3
import tempfile
from pathlib import Path

import pytest

import unlearning as ul
from unlearning.base import durable
from unlearning.service import files, ledger, rows

CALLS = ("fsync", "fdatasync", "pwrite", "replace", "unlink")


class Faulty:
    """Stands for the module `os`, and fails once, at the k-th call that changes the disk."""

    def __init__(self, k):
        self.left, self.failed = k, None

    def __getattr__(self, name):
        found = getattr(os, name)
        return self._wrapped(name, found) if name in CALLS else found

    def _wrapped(self, name, call):
        def either(*arguments, **named):
            self.left -= 1
            if self.left == 0:
                self.failed = name
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return call(*arguments, **named)

        return either


class FaultyBase:
    """Stands for SQLite's connection, and fails once, at the k-th statement that writes."""

    def __init__(self, base, faulty):
        self._base, self._faulty = base, faulty

    def execute(self, text, *values):
        verb = text.split()[0]
        if verb in ("BEGIN", "INSERT", "REPLACE", "COMMIT") or "checkpoint(" in text:
            self._faulty.left -= 1
            if self._faulty.left == 0:
                self._faulty.failed = verb
                error = sqlite3.OperationalError("database or disk is full")
                error.sqlite_errorname = "SQLITE_FULL"
                raise error
        return self._base.execute(text, *values)

    def __getattr__(self, name):
        return getattr(self._base, name)


def test_a_write_that_fails_leaves_the_store_before_or_after(source, tmp_path, monkeypatch):
    """Each write, flush, rename, removal and statement of a deletion fails once."""
    before, after = source.expected([5]).tobytes(), source.expected([5, 7, 8]).tobytes()
    failed, outcomes, named = [], set(), []
    for k in range(1, 60):
        folder = source.copy(tmp_path / str(k))
        service = ul.DeletionService.open(folder)
        service.delete([5], request="a")
        faulty = Faulty(k)
        with monkeypatch.context() as patch:
            for module in (durable, files, rows):
                patch.setattr(module, "os", faulty)
            patch.setattr(service._store._ledger, "_base",
                          FaultyBase(service._store._ledger._base, faulty))  # fmt: skip
            try:
                service.delete([7, 8], request="b")
            except OSError as error:
                named.append((str(folder) in error.filename, error.errno))
        if faulty.failed is None:
            break
        failed.append(faulty.failed)
        if k % 2:  # the same process goes on, or another one opens it
            service.close()
            service = ul.DeletionService.open(folder)
        found = service.weights.tobytes()
        assert found in (before, after)
        outcomes.add(found == after)
        assert service.delete([7, 8], request="b").samples == [7, 8]
        assert service.weights.tobytes() == after
        assert service.audit().sound
        assert len(list(folder.glob("*.safetensors*"))) == 2
        service.close()
    assert named == [(True, errno.ENOSPC)] * len(failed)
    assert outcomes == {False, True}
    assert set(failed) >= {*CALLS, "BEGIN", "INSERT", "REPLACE", "COMMIT", "PRAGMA"}


def test_a_commit_that_is_on_disk_although_it_was_said_to_have_failed(source, folder):
    """Nothing that a failed transaction mentions may be removed before the ledger is read anew."""

    class Late(FaultyBase):
        def execute(self, text, *values):
            done = self._base.execute(text, *values)
            if text == "COMMIT":
                error = sqlite3.OperationalError("disk I/O error")
                error.sqlite_errorname = "SQLITE_IOERR_FSYNC"
                raise error
            return done

    with ul.DeletionService.open(folder) as service:
        ledger = service._store._ledger
        ledger._base = Late(ledger._base, None)
        with pytest.raises(OSError, match="disk I/O error"):
            service.delete([7], request="b")
        assert len(list(folder.glob("state-*"))) == 2
        assert service.deleted == (7,)
        assert len(list(folder.glob("state-*"))) == 1
        assert service.weights.tobytes() == source.expected([7]).tobytes()


def in_child(act) -> int:
    """The exit status of a fork in which this was done."""
    child = os.fork()
    if child == 0:
        try:
            os._exit(act())
        finally:
            os._exit(100)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.mark.parametrize("limit", [0, 100, 300, 8_000, 30_000])
def test_files_may_not_grow(source, folder, limit):
    """As on a full disk, but for real: the system refuses bytes beyond a limit to every file."""

    def delete():
        service = ul.DeletionService.open(folder)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        try:
            service.delete([1, 2], request="r")
        except OSError as error:
            return 7 if str(folder) in error.filename else 1
        return 0

    assert in_child(delete) == (7 if limit < 30_000 else 0)
    with ul.DeletionService.open(folder) as service:
        service.delete([1, 2], request="r")
        assert service.weights.tobytes() == source.expected([1, 2]).tobytes()
        assert service.audit().sound


def test_a_folder_that_cannot_be_written_to(source):
    """Tried as a user without rights to the folder."""
    root = Path(tempfile.mkdtemp())
    try:
        folder = source.copy(root / "store")
        for path in (root, folder):
            path.chmod(0o555)
        before = {path.name: path.read_bytes() for path in folder.iterdir()}

        def refused():
            if os.getuid() == 0:
                os.setuid(65534)
            try:
                ul.DeletionService.open(folder)
            except (OSError, ValueError) as error:
                return 7 if str(folder) in str(error) else 1
            return 0

        assert in_child(refused) == 7
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    finally:
        for path in (root, folder):
            path.chmod(0o755)
        shutil.rmtree(root)


def test_what_is_flushed_before_what(service, folder, monkeypatch):
    """A power cut cannot be tried here; the order of the calls that guard against it can."""
    events = []

    class Told(Faulty):
        def _wrapped(self, name, call):
            def told(*arguments, **named):
                handle = arguments[0]
                path = os.readlink(f"/proc/self/fd/{handle}") if isinstance(handle, int) else handle
                events.append((name, os.path.basename(path).split("-")[0]))
                return call(*arguments, **named)

            return told

    monkeypatch.setattr(ledger.windows, "reach", lambda window: events.append(window))
    for module in (durable, files, rows):
        monkeypatch.setattr(module, "os", Told(0))
    service.delete([1], request="r")
    whole = folder.name
    assert events == [
        "checked",
        ("fsync", "state"), ("replace", "state"), ("fsync", whole), "state written", "committed",
        ("pwrite", "rows"), "row erased", ("pwrite", "rows"), ("fdatasync", "rows"), "rows erased",
        ("pwrite", "state"), ("fdatasync", "state"), "overwritten",
        ("unlink", "state"), ("fsync", whole), "unlinked", "erasure committed", "emptied",
    ]  # fmt: skip


def test_the_ledger_is_synced_in_full_and_deletes_securely(service):
    with service._store.held() as opened:
        for name, value in (("synchronous", 2), ("secure_delete", 1), ("journal_mode", "wal")):
            assert opened._one(f"PRAGMA {name}") == (value,)


def test_only_what_may_be_lost_is_not_flushed(service):
    """SQLite's 2 flushes at a commit, its 1 with the next emptying of the log alone."""

    def level():
        return opened._one("PRAGMA synchronous")[0]

    with service._store.held() as opened:
        with opened.transaction():
            assert level() == 2
        with opened.transaction(flushed=False):
            assert level() == 1
        assert level() == 2
        with pytest.raises(KeyError), opened.transaction(flushed=False):
            raise KeyError
        assert level() == 2


def test_a_lost_mark_of_the_erasure_is_made_again(service, folder, monkeypatch):
    """What a power cut leaves: the ledger and its log as they were before the mark was written."""
    kept = {}

    def reach(window):
        if window == "unlinked":
            paths = folder / "ledger.sqlite", folder / "ledger.sqlite-wal"
            kept.update((path, path.read_bytes()) for path in paths)

    monkeypatch.setattr(ledger.windows, "reach", reach)
    done = service.delete([1], request="r")
    service.close()
    for path, content in kept.items():
        path.write_bytes(content)
    with ul.DeletionService.open(folder) as again:
        assert again.deleted == (1,)
        assert again.delete([1], request="r") == done
        assert again.audit().sound
