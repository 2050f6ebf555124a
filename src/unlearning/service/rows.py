"""Rows on disk that can be erased one by one, in place.

Row i of a store belongs to sample i, also after repairs: the rows of samples that were deleted
before stay, as zeros. A row is erased by writing zeros over it and over its checksum, which would
tell of it too. What takes the checksum's place is the complement of the checksum of zeros: no
reader then takes the zeros for a row that was written, whether it knows of the deletion or not.
"""

import json
import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from unlearning.base.blocks import Block
from unlearning.base.rounding import STORED
from unlearning.service import windows
from unlearning.service.files import flush_data, naming, write_zeros

AT_ONCE = 256  # rows that are read together


def tombstone(width: int) -> int:
    """What stands in place of the checksum of an erased row of so many bytes."""
    return zlib.crc32(bytes(width)) ^ 0xFFFFFFFF


class ErasableBlock(Block):
    """A block, some of whose rows may have been erased."""

    def erased_crc(self, numbers: Sequence[int]) -> int:
        """What the CRC-32 of the checksums is once these rows are erased too."""
        checksums = self._checksums.copy()
        checksums[list(numbers)] = tombstone(self.width)
        return zlib.crc32(checksums)

    @property
    def width(self) -> int:
        """Bytes of a row."""
        return self.columns * np.dtype(STORED[self._dtype][0]).itemsize

    def not_erased(self, numbers: Iterable[int]) -> list[int]:
        """Those of some rows that are not zeros with the mark of an erased row for a checksum."""
        left, mark, zeros = [], tombstone(self.width), bytes(self.width)
        with open(self.path, "rb") as file:
            for number in numbers:
                file.seek(self._begin + number * self.width)
                if self._checksums[number] != mark or file.read(self.width) != zeros:
                    left.append(number)
        return left


class RowFiles:
    """The rows of a store.

    Args:
        folder: of the store.
        entries: of its blocks, in order: ``file``, ``first`` (sample), ``rows``, ``crc``.
        dtype: of storage.
    """

    def __init__(self, folder: Path, entries: Sequence[dict], dtype: str):
        self.folder, self.entries, self.dtype = folder, entries, dtype
        self._firsts = np.array([entry["first"] for entry in entries])

    def block(self, number: int) -> ErasableBlock:
        """One block; opening it checks its header and its checksums.

        Raises:
            ValueError: that names the file, if it is missing, damaged or another.
        """
        entry = self.entries[number]
        return ErasableBlock(self.folder / entry["file"], entry["rows"], entry["crc"], self.dtype)

    def read(self, samples: Sequence[int]) -> Iterator[np.ndarray]:
        """The rows of samples, in pieces ``[m, d]``, in the order of their blocks.

        Raises:
            ValueError: that names the file, and the row in it that is damaged or erased.
        """
        for number, local in self._homes(samples):
            block = self.block(number)
            for begin in range(0, len(local), AT_ONCE):
                piece = local[begin : begin + AT_ONCE]
                out = np.empty((len(piece), block.columns), STORED[self.dtype][0])
                block.read(piece, out)
                yield out

    def entries_without(self, samples: Sequence[int]) -> list[dict]:
        """The entries that fit once the rows of these samples are erased."""
        entries = [dict(entry) for entry in self.entries]
        for number, local in self._homes(samples):
            entries[number]["crc"] = self.block(number).erased_crc(local)
        return entries

    def erase(self, samples: Sequence[int]) -> None:
        """Write zeros over rows, and the mark of erased ones over their checksums.

        Safe to repeat, and on files whose checksums are between two states.

        Raises:
            OSError: that names the file.
        """
        for number, local in self._homes(samples):
            path = self.folder / self.entries[number]["file"]
            with naming(path):
                _erase(path, local)

    def _homes(self, samples: Sequence[int]) -> Iterator[tuple[int, list[int]]]:
        """The number of each block that has some of the samples, and their rows within it."""
        ordered = np.sort(np.asarray(samples, dtype=np.int64))
        homes = np.searchsorted(self._firsts, ordered, side="right") - 1
        for number in np.unique(homes).tolist():
            yield number, (ordered[homes == number] - self._firsts[number]).tolist()


def _erase(path: Path, numbers: Sequence[int]) -> None:
    handle = os.open(path, os.O_RDWR)
    try:
        header_size = int.from_bytes(os.pread(handle, 8, 0), "little")
        header, start = json.loads(os.pread(handle, header_size, 8)), 8 + header_size
        begin, end = (start + place for place in header["rows"]["data_offsets"])
        width = (end - begin) // header["rows"]["shape"][0]
        checksums = start + header["checksums"]["data_offsets"][0]
        mark = tombstone(width).to_bytes(4, "little")
        for number in numbers:
            write_zeros(handle, begin + number * width, width)
            windows.reach("row erased")
            os.pwrite(handle, mark, checksums + 4 * number)
        flush_data(handle)
    finally:
        os.close(handle)
