"""The files of a store: their names, errors that name them, and how they are wiped."""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from unlearning.base.durable import flush
from unlearning.service import windows

LEDGER = "ledger.sqlite"
#: Of the files that carry weights and rows, finished or not. No other file is ever wiped.
OURS = re.compile(r"(state|rows)-[0-9-]+\.safetensors(\.part)?")
ZEROS = bytes(2**20)


def state_name(sequence: int) -> str:
    """The file of the weights after so many events."""
    return f"state-{sequence:08d}.safetensors"


def rows_prefix(phase: int) -> str:
    """What the names of the rows' files begin with, after so many repairs."""
    return f"rows-{phase:03d}"


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let every error of the system that is raised within name a file.

    Raises:
        OSError: with ``filename``; writing to an open file raises it without.
    """
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def orphans(folder: Path, known: Iterable[str]) -> list[Path]:
    """The files of weights and rows that are not among the known ones."""
    names = {name for name in os.listdir(folder) if OURS.fullmatch(name)}
    return [folder / name for name in sorted(names - set(known))]


def wipe(folder: Path, paths: Iterable[Path]) -> None:
    """Overwrite files with zeros and unlink them; all is on disk before the return.

    Raises:
        OSError: that names the file.
    """
    paths = list(paths)
    for path in paths:
        with naming(path):
            _overwrite(path)
    windows.reach("overwritten")
    for path in paths:
        os.unlink(path)
    if paths:
        with naming(folder):
            flush(folder)
    windows.reach("unlinked")


def write_zeros(handle: int, begin: int, size: int) -> None:
    """Write zeros in place; they are not flushed yet."""
    done = 0
    while done < size:
        done += os.pwrite(handle, ZEROS[: size - done], begin + done)


def flush_data(handle: int) -> None:
    """Wait until what was written over an open file, whose size has not changed, is on disk."""
    getattr(os, "fdatasync", os.fsync)(handle)  # macOS has fsync only


def _overwrite(path: Path) -> None:
    handle = os.open(path, os.O_WRONLY)
    try:
        write_zeros(handle, 0, os.fstat(handle).st_size)
        flush_data(handle)
    finally:
        os.close(handle)
