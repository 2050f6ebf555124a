"""A store: its folder, its ledger and its lock, and the completion of what was cut off."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from unlearning.base import checks, locks
from unlearning.service import windows
from unlearning.service.files import LEDGER, naming, orphans, wipe
from unlearning.service.ledger import FORMAT, Ledger
from unlearning.service.rows import RowFiles
from unlearning.service.states import read_state, state_hash
from unlearning.service.sums import Sum


class Store:
    """The folder of a service, for one thread of one process at a time.

    Args:
        folder: of the store.
        timeout: seconds to wait while another process or thread is at work.
    """

    def __init__(self, folder: str | Path, timeout: float):
        self.folder = checks.path("folder", folder).absolute()
        self.timeout = checks.finite("timeout", timeout, least=0.0)
        self._ledger: Ledger | None = None
        self._process, self._closed = os.getpid(), False

    @contextmanager
    def held(self) -> Iterator[Ledger]:
        """Keep others out; what was cut off before is completed first.

        Raises:
            ValueError: if another process holds the store for longer than the timeout; if a file is
                damaged, by its name.
            OSError: if the system refuses, by the name of the file. What is on disk is then as
                `windows` says, and is put in order when the store is held next.
        """
        self._refuse_others()
        with naming(self.folder), locks.held(self.folder, wait=self.timeout):
            try:
                ledger = self._ledger or self._opened()
                ledger.look_again()
                complete(self.folder, ledger)
                yield ledger
            except ValueError:
                raise
            except BaseException:
                self._drop()  # what is in its log is looked at anew
                raise

    def close(self) -> None:
        """Close the ledger; nothing is held afterwards."""
        if self._ledger is not None and self._process == os.getpid():
            with naming(self.folder), locks.held(self.folder, wait=self.timeout):
                self._drop()
        self._closed = True

    def _refuse_others(self) -> None:
        if self._closed:
            checks.fail("service", "one that is open", "a closed one; DeletionService.open")
        if self._process != os.getpid():
            checks.fail("service", "the process that opened it", "a fork of it; open it there")
        if not (self.folder / LEDGER).is_file():  # before a lock is made in a strange folder
            checks.fail(str(self.folder), "a store of a deletion service", f"no {LEDGER} in it")

    def _opened(self) -> Ledger:
        ledger = Ledger(self.folder)
        try:
            about = ledger.document("store")
            if about["format"] != FORMAT:
                checks.fail(str(ledger.path), f"a ledger of format {FORMAT}", about["format"])
            ledger.check()
            complete(self.folder, ledger)
            check_files(self.folder, ledger)
        except BaseException:
            ledger.close()
            raise
        self._ledger = ledger
        return ledger

    def _drop(self) -> None:
        ledger, self._ledger = self._ledger, None
        if ledger is not None:
            ledger.close()


def complete(folder: Path, ledger: Ledger, *, settled: bool = False) -> None:
    """Erase what the ledger says is deleted, and wipe files that it does not know.

    Args:
        folder: of the store.
        ledger: of the store, which is held.
        settled: that nothing has failed since the ledger was written to last.

    Raises:
        OSError: that names the file.
        ValueError: that names the file, if the ledger is damaged.
    """
    found = orphans(folder, files(ledger))
    pending = ledger.document("state")["erase_pending"]
    if not found and pending is None:
        return
    if not settled:  # a transaction that failed may mention them: see Ledger
        ledger.empty_log()
        found = orphans(folder, files(ledger))
        pending = ledger.document("state")["erase_pending"]
    if pending is not None:
        row_files(folder, ledger).erase(ledger.deleted(pending))
        windows.reach("rows erased")
    wipe(folder, found)
    if pending is not None:
        with ledger.transaction(flushed=False):  # lost, all is only erased once more
            ledger.put("state", ledger.document("state") | {"erase_pending": None})
        windows.reach("erasure committed")
    ledger.empty_log()


def files(ledger: Ledger) -> list[str]:
    """The files of weights and rows that the ledger refers to."""
    rows = [entry["file"] for entry in ledger.document("rows")["blocks"]]
    return [ledger.document("state")["file"], *rows]


def row_files(folder: Path, ledger: Ledger) -> RowFiles:
    """The rows of a store."""
    rows = ledger.document("rows")
    return RowFiles(folder, rows["blocks"], rows["dtype"])


def hash_of(ledger: Ledger, state: Sum) -> str:
    """The hash of a state under the key of the store."""
    return state_hash(bytes.fromhex(ledger.document("store")["key"]), state)


def present(folder: Path, ledger: Ledger) -> Sum:
    """The present state.

    Raises:
        ValueError: that names the file, if it is missing or is not what the ledger says.
    """
    entry = ledger.document("state")
    state = read_state(folder, entry)
    if hash_of(ledger, state) != entry["hash"]:
        wanted = "the weights that the ledger has the hash of"
        checks.fail(str(folder / entry["file"]), wanted, "others")
    return state


def check_files(folder: Path, ledger: Ledger) -> None:
    """Look at the state, and at the header and the checksums of every block of rows.

    Raises:
        ValueError: that names the file that is missing, damaged or another.
    """
    columns = len(present(folder, ledger).total)
    rows = row_files(folder, ledger)
    for number, entry in enumerate(rows.entries):
        block = rows.block(number)
        if block.columns != columns:
            path = folder / entry["file"]
            checks.fail(str(path), f"rows of {columns} values", f"rows of {block.columns}")
