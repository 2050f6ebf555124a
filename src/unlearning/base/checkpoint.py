"""The state of long work on disk, whole after a kill at any moment, and when to save it."""

import json
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from unlearning.base.blocks import write_block
from unlearning.base.checks import advising, choice, fail, finite, same
from unlearning.base.durable import MANIFEST, find_manifest, write_manifest
from unlearning.base.rounding import STORED
from unlearning.base.shards import BLOCK_BYTES, Rows

SLOTS = ("a", "b")
FILES = re.compile(rf"[{''.join(SLOTS)}]-\d+-\d{{5}}\.safetensors(\.part)?")
ROWS_AT_ONCE = 2**16  # each row number takes some memory, which must not exceed that of the rows


class State:
    """A saved state. Its arrays are read, and checked, when asked for: ask before the next save.

    Attributes:
        progress: as it was saved (JSON: tuples have become lists).
        names: of the arrays.
    """

    def __init__(self, folder: Path, content: dict):
        self._folder, self._entries = folder, content["arrays"]
        self.progress: dict = content["progress"]
        self.names = list(self._entries)
        # Opening checks that all files are there, whole, and have the checksums that were saved.
        self._rows = {
            name: Rows(folder, entry["blocks"], entry["dtype"])
            for name, entry in self._entries.items()
            if entry["blocks"]
        }

    def read(self, name: str) -> np.ndarray:
        """Return one array, read anew, bit for bit as it was saved.

        Raises:
            ValueError: that names the file and row, if its bytes are not the ones saved.
        """
        entry = self._entries[choice("name", name, self.names)]
        out = np.empty(entry["shape"], STORED[entry["dtype"]][0])
        self.read_into(name, out)
        return out

    def read_into(self, name: str, out: np.ndarray) -> None:
        """Fill ``out`` with one array, needing next to no other memory.

        Args:
            name: of the array.
            out: of the same shape and dtype, C-contiguous.

        Raises:
            ValueError: if it is not, or as `read` does.
        """
        entry = self._entries[choice("name", name, self.names)]
        wanted = (tuple(entry["shape"]), entry["dtype"], True)
        given = (out.shape, out.dtype.name, out.flags.c_contiguous)
        if given != wanted:
            words = "shape {}, dtype {}, contiguous: {}"
            fail("out", words.format(*wanted), words.format(*given))
        if name in self._rows:
            rows = _as_rows(out)
            for begin in range(0, len(rows), ROWS_AT_ONCE):
                part = rows[begin : begin + ROWS_AT_ONCE]
                self._rows[name].read(range(begin, begin + len(part)), out=part)


def refuse_other_work(folder: Path, what: str) -> None:
    """Refuse the state of other work, which saving here would destroy.

    Args:
        folder: of the state, if there is one.
        what: the work; ``what`` of its circumstances.

    Raises:
        ValueError: if a state is there whose circumstances say something else.
    """
    content = find_manifest(folder)
    other = what if content is None else content.get("circumstances", {}).get("what")
    if other != what:
        given = f"{folder.parent}, where there is an unfinished {other or 'work of another kind'}"
        fail("folder", f"an empty one, or one of a {what}", given)


class Checkpoint:
    """Saves the state of one piece of work, one state at a time, in a folder of its own.

    There are two slots. A state is written to the one that the manifest does not name; renaming
    the new manifest makes it the present state; then the other slot's files go. So a kill leaves
    the old state or the new one, whole, at the price of room for two on the disk. One process at a
    time may save.

    Args:
        folder: made at the first save.
        circumstances: plain values (JSON) that must be the same for the work to go on.
    """

    def __init__(self, folder: str | Path, circumstances: dict):
        self.folder = Path(folder)
        try:
            self._circumstances = json.loads(json.dumps(circumstances))
        except (TypeError, ValueError) as error:
            fail("circumstances", "plain values (JSON)", error)

    def load(self) -> State | None:
        """Return the last state that was saved, or None if none was.

        Raises:
            ValueError: if it was saved under other circumstances (names them and both values), or
                is damaged (names the file).
        """
        with self._advising():
            content = self._present()
            return None if content is None else State(self.folder, content)

    def save(self, progress: dict, arrays: dict[str, np.ndarray]) -> None:
        """Make this the state. On return it is on the disk.

        Args:
            progress: small plain values (JSON).
            arrays: of any shape; dtype float32, float64, int64, uint32, uint8 or bool. Contiguous
                ones are written from where they are, others copied some 64 MiB at a time.

        Raises:
            ValueError: if a value or dtype is another, or the folder holds a state of other
                circumstances or a damaged one; what is there then stays.
        """
        with self._advising():
            present = self._present()
        self.folder.mkdir(parents=True, exist_ok=True)
        slot = SLOTS[present is not None and present["slot"] == SLOTS[0]]
        saved = {
            name: _write(self.folder, f"{slot}-{number}", name, np.asarray(array))
            for number, (name, array) in enumerate(arrays.items())
        }
        content = {"circumstances": self._circumstances, "progress": progress}
        write_manifest(self.folder, {**content, "slot": slot, "arrays": saved})
        self._sweep({block["file"] for entry in saved.values() for block in entry["blocks"]})

    def discard(self) -> None:
        """Forget the state: remove its files and, if nothing else is there, its folder."""
        if self.folder.is_dir():
            # First: without it the rest is nothing.
            (self.folder / MANIFEST).unlink(missing_ok=True)
            self._sweep(set())
            with suppress(OSError):  # it holds something else, or is gone by now
                self.folder.rmdir()

    def _advising(self) -> AbstractContextManager[None]:
        return advising(f"delete {self.folder} to start over")

    def _present(self) -> dict | None:
        content = find_manifest(self.folder)
        if content is None:
            return None
        missing = {"circumstances", "progress", "slot", "arrays"} - content.keys()
        if missing:
            fail(str(self.folder / MANIFEST), "a state", f"no {', '.join(sorted(missing))}")
        begun = f", as {self.folder} was begun with"
        same("folder", content["circumstances"], self._circumstances, begun)
        return content

    def _sweep(self, keep: set[str]) -> None:
        """Remove the files of states that are no longer, and of saves that were cut short."""
        for path in self.folder.iterdir():
            if FILES.fullmatch(path.name) and path.name not in keep:
                path.unlink(missing_ok=True)


def _as_rows(array: np.ndarray) -> np.ndarray:
    """Return an array that is not empty as a matrix: a view, if it is contiguous or a matrix."""
    return array if array.ndim == 2 else array.reshape(-1, array.shape[-1] if array.ndim else 1)


def _write(folder: Path, prefix: str, name: str, array: np.ndarray) -> dict:
    choice(f"arrays[{name!r}].dtype", array.dtype.name, STORED)
    blocks = []
    if array.size:
        rows = _as_rows(array)
        step = max(1, BLOCK_BYTES // (rows.shape[1] * rows.itemsize))
        for number, begin in enumerate(range(0, len(rows), step)):
            path = folder / f"{prefix}-{number:05d}.safetensors"
            blocks.append(write_block(path, rows[begin : begin + step], array.dtype.name))
    return {"dtype": array.dtype.name, "shape": list(array.shape), "blocks": blocks}


class Timer:
    """Says when to save again.

    Args:
        save_every: seconds from the end of one save to the next; as long as a save took, if that is
            more, so that saving never takes more than half of the time. 0 means always.

    Raises:
        ValueError: if they are negative or not finite.
    """

    def __init__(self, save_every: float):
        self._seconds = finite("save_every", save_every, least=0)
        self._next = time.monotonic() + save_every

    def due(self) -> bool:
        """Return whether it is time to save."""
        return time.monotonic() >= self._next

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Begin to wait anew when what is done within has been done."""
        begin = time.monotonic()
        yield
        end = time.monotonic()
        self._next = end + (max(self._seconds, end - begin) if self._seconds else 0)


class Stop:
    """Whether this process was told to stop.

    Attributes:
        requested: look at it between two steps.
    """

    requested = False

    def _handle(self, number: int, frame: Any) -> None:
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.requested = True


@contextmanager
def interruptible() -> Iterator[Stop]:
    """Turn Ctrl-C (SIGINT) and SIGTERM into a flag, so that a step ends before the work does.

    A second Ctrl-C raises KeyboardInterrupt at once. Within another ``interruptible`` it gives the
    same flag, so that inner and outer work both stop. Signals that this process ignores stay
    ignored. Outside the main thread, where handlers cannot be set, nothing changes.
    """
    around = getattr(signal.getsignal(signal.SIGINT), "__self__", None)
    stop, before = (around if isinstance(around, Stop) else Stop()), {}
    try:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                if signal.getsignal(number) not in (signal.SIG_IGN, None):
                    before[number] = signal.signal(number, stop._handle)
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
