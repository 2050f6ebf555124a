"""One process at a time in a folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from unlearning.base.checks import fail
from unlearning.base.checks import folder as checked_folder

POLL_SECONDS = 0.01  # between two tries


@contextmanager
def held(folder: str | Path, name: str = ".lock", *, wait: bool | float = False) -> Iterator[None]:
    """Keep other processes, and threads, out of what is done within.

    The lock belongs to the process, not to its file, which stays: a killed one holds nothing.

    Args:
        folder: made if missing.
        name: of the lock, a file in the folder.
        wait: for as long as another process holds it, or for so many seconds.

    Raises:
        ValueError: if another process holds it, still after the wait; or if the folder cannot be
            made or written to.
    """
    folder = checked_folder("folder", folder)
    seconds = -1 if wait is True else float(wait)
    try:
        with FileLock(folder / name, timeout=seconds, poll_interval=POLL_SECONDS):
            yield
    except Timeout:
        fail("folder", "one that no other process is writing to", f"{folder}, where one is")
