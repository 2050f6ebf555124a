"""The ledger of a store: an SQLite file with ids, hashes, times and counts, and no sample content.

Every row carries a CRC-32 of what it says, since SQLite finds damage to its own structure only.
A transaction that has failed may or may not be in the log when it is read next, so nothing that it
mentions may be removed before `Ledger.empty_log` has settled the matter.
"""

import errno
import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from unlearning.base.checks import fail
from unlearning.service import windows
from unlearning.service.files import LEDGER

FORMAT = 1
SCHEMA = """
CREATE TABLE documents (name TEXT PRIMARY KEY, body TEXT, seal INTEGER) WITHOUT ROWID;
CREATE TABLE events (sequence INTEGER PRIMARY KEY, request TEXT UNIQUE, body TEXT, seal INTEGER);
CREATE TABLE deleted (sample INTEGER PRIMARY KEY, sequence INTEGER, seal INTEGER);
"""
SETTINGS = {
    "journal_mode": "WAL",
    "synchronous": "FULL",
    "fullfsync": "ON",  # where fsync alone does not reach the disk (macOS)
    "checkpoint_fullfsync": "ON",
    "secure_delete": "ON",
    "wal_autocheckpoint": "0",  # the log is emptied after each deletion, and at no other time
}
#: What the system refuses, by the beginning of SQLite's name for it.
REFUSED = {
    "SQLITE_FULL": errno.ENOSPC,
    "SQLITE_READONLY": errno.EROFS,
    "SQLITE_CANTOPEN": errno.EACCES,
    "SQLITE_IOERR": errno.EIO,
    "SQLITE_BUSY": errno.EBUSY,
}


class Ledger:
    """An open ledger. Whoever uses it holds the lock of the store.

    Args:
        folder: of the store.
        create: make a new one.

    Raises:
        ValueError: that names the file, if it is missing, damaged or something else.
        OSError: that names the file, if the system refuses.
    """

    def __init__(self, folder: Path, *, create: bool = False):
        self.path = folder / LEDGER
        self._documents: dict[str, dict] | None = None
        if not create and not self.path.is_file():
            fail(str(folder), "a store of a deletion service", f"no {LEDGER} in it")
        if not create and self.path.stat().st_size == 0:  # SQLite would make a new one of it
            fail(str(self.path), "a ledger of deletions", "an empty file")
        with self._named():
            self._base = sqlite3.connect(
                self.path, timeout=5, isolation_level=None, check_same_thread=False
            )
        try:
            with self._named():
                for name, value in SETTINGS.items():
                    self._base.execute(f"PRAGMA {name} = {value}")
                if create:
                    self._base.executescript(SCHEMA)
        except BaseException:
            self.close()
            raise

    def look_again(self) -> None:
        """Read documents anew from now on: others may have written."""
        self._documents = None

    def close(self) -> None:
        """Close it; what was committed stays."""
        with self._named():
            self._base.close()

    @contextmanager
    def transaction(self, *, flushed: bool = True) -> Iterator[None]:
        """All that is written within, or nothing.

        Args:
            flushed: whether it is on disk before this is left; otherwise it is after the next
                `empty_log`, which spares a flush where losing it does no harm.
        """
        with self._named(), nullcontext() if flushed else self._not_flushed():
            self._base.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._base.execute("COMMIT")
            except BaseException:
                self.look_again()
                if self._base.in_transaction:
                    self._base.execute("ROLLBACK")
                raise

    def document(self, name: str) -> dict:
        """What was written under a name last, not to be changed.

        Raises:
            ValueError: that names the file, if there is none, as when the making of a store was cut
                off, or it was changed.
        """
        if self._documents is None:
            rows = self._all("SELECT name, body, seal FROM documents")
            self._documents = {
                key: json.loads(self._sealed((body, seal), "documents", key))
                for key, body, seal in rows
            }
        if name not in self._documents:
            fail(str(self.path), "a ledger of deletions", f"an unfinished one, without {name!r}")
        return self._documents[name]

    def put(self, name: str, body: dict) -> None:
        """Write a document in place of the one of this name."""
        text = json.dumps(body, allow_nan=False)
        self._write("documents", name, text, over=True)
        self._documents = (self._documents or {}) | {name: json.loads(text)}

    def add_event(self, sequence: int, request: str | None, body: dict) -> None:
        """Write down what has happened, as number ``sequence``."""
        self._write("events", sequence, request, json.dumps(body, allow_nan=False))

    def add_deleted(self, samples: Iterable[int], sequence: int) -> None:
        """Write down in which event samples were deleted."""
        for sample in samples:
            self._write("deleted", sample, sequence)

    def event_of(self, request: str) -> dict | None:
        """The event of a request, None if there was none."""
        row = self._one("SELECT sequence, body, seal FROM events WHERE request = ?", request)
        if row is None:
            return None
        sequence, body, seal = row
        return json.loads(self._sealed((body, seal), "events", sequence, request))

    def events(self) -> Iterator[tuple[str | None, dict]]:
        """All requests (None for events without one) and events, in order."""
        rows = self._all("SELECT sequence, request, body, seal FROM events ORDER BY sequence")
        for sequence, request, body, seal in rows:
            yield request, json.loads(self._sealed((body, seal), "events", sequence, request))

    def deleted(self, of: int | None = None) -> list[int]:
        """The samples that were deleted, rising; those of one event if its number is given."""
        wanted = "" if of is None else "WHERE sequence = ?"
        found = self._all(
            f"SELECT sample, sequence, seal FROM deleted {wanted} ORDER BY sample",
            *([] if of is None else [of]),
        )
        return [self._sealed((n, seal), "deleted", last=event) for n, event, seal in found]

    def is_deleted(self, sample: int) -> bool:
        """Whether a sample was deleted."""
        row = self._one("SELECT sample, sequence, seal FROM deleted WHERE sample = ?", sample)
        return row is not None and self._sealed((row[0], row[2]), "deleted", last=row[1]) == sample

    def check(self) -> None:
        """Look at its structure, and at every row.

        Raises:
            ValueError: that names the file.
        """
        problems = [row[0] for row in self._all("PRAGMA quick_check")]
        if problems != ["ok"]:
            fail(str(self.path), "a whole ledger", "; ".join(problems[:3]))
        state, numbers = self.document("state"), [event["sequence"] for _, event in self.events()]
        if numbers != list(range(1, state["sequence"] + 1)):
            fail(str(self.path), f"events 1 to {state['sequence']}", f"{len(numbers)} of them")
        found = len(self.deleted())
        if found != state["deleted"]:
            fail(str(self.path), f"{state['deleted']} deleted samples", f"{found}")

    def empty_log(self) -> None:
        """Move all that was committed to the ledger's own file, and empty its log.

        Afterwards it is settled what was committed. Old pages are gone, the log's included.

        Raises:
            OSError: that names the file.
        """
        log = self.path.with_name(self.path.name + "-wal")
        with self._named():
            busy, _, _ = self._base.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if busy or (log.exists() and log.stat().st_size > 0):
                raise OSError(errno.EBUSY, "the ledger is in use by another program", str(log))
        windows.reach("emptied")

    @contextmanager
    def _not_flushed(self) -> Iterator[None]:
        (before,) = self._base.execute("PRAGMA synchronous").fetchone()
        self._base.execute(f"PRAGMA synchronous = {min(before, 1)}")  # 1: at checkpoints
        try:
            yield
        finally:
            self._base.execute(f"PRAGMA synchronous = {before}")

    def _write(self, table: str, *values: Any, over: bool = False) -> None:
        marks = ", ".join("?" * (len(values) + 1))
        verb = "REPLACE" if over else "INSERT"
        with self._named():
            self._base.execute(
                f"{verb} INTO {table} VALUES ({marks})", (*values, _seal(table, *values))
            )

    def _sealed(self, row: tuple[Any, int], table: str, *before: Any, last: Any = None) -> Any:
        """The value of a row that was written, if its seal is right."""
        value, seal = row
        values = (*before, value) if last is None else (*before, value, last)
        if _seal(table, *values) != seal:
            fail(str(self.path), f"the rows of {table!r} as they were written", "a changed one")
        return value

    def _one(self, query: str, *values: Any) -> tuple | None:
        return next(iter(self._all(query, *values)), None)

    def _all(self, query: str, *values: Any) -> list[tuple]:
        with self._named(), closing(self._base.execute(query, values)) as cursor:
            return cursor.fetchall()

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Let errors name the file: refusals of the system, and damage."""
        try:
            yield
        except sqlite3.Error as error:
            name = getattr(error, "sqlite_errorname", None) or ""
            number = next((REFUSED[key] for key in REFUSED if name.startswith(key)), None)
            if number is not None:
                raise OSError(number, str(error), str(self.path)) from error
            fail(str(self.path), "a ledger of deletions", f"a damaged file or another ({error})")


def _seal(*values: Any) -> int:
    return zlib.crc32("\0".join(map(str, values)).encode())
