"""One block of rows: a safetensors file with a checksum for each row.

The format is a length (8 bytes, little-endian), a JSON header with the place of each tensor,
and the tensors' bytes. Both sides are here. The safetensors library reads these files; but it
slices bfloat16 only with PyTorch, one slice at a time, as a copy; and it writes by way of files of
random names, which a kill would leave behind, and which only their owner may read.
"""

import json
import math
import os
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from unlearning.base.checks import choice, fail
from unlearning.base.durable import replace
from unlearning.base.rounding import STORED, decode, encode


def write_block(path: str | Path, rows: Any, dtype: str) -> dict:
    """Write one block: tensor ``rows`` in ``dtype`` and tensor ``checksums``, one CRC-32 a row.

    Args:
        path: the file; its folder exists.
        rows: shape ``[r, d]``, both at least 1, any float dtype, or exactly ``dtype``.
        dtype: how to store them, a key of `STORED`; float64 becomes bfloat16 by way of float32.

    Returns:
        The block's entry for a manifest: ``file`` (name), ``rows`` (r), ``crc`` (CRC-32 of the
        checksums), ``error`` (largest relative rounding error of a row: |stored - x| / |x| in the
        2-norm over its finite entries, 0 if exact).

    Raises:
        ValueError: if the shape or dtype is another, or a finite value is too large for ``dtype``.
    """
    choice("dtype", dtype, STORED)
    return write_stored(Path(path), *encode(matrix(rows), dtype), dtype)


def matrix(rows: Any, columns: int | None = None) -> np.ndarray:
    """Return ``rows`` as an array.

    Raises:
        ValueError: if its shape is not ``[r, d]``, both at least 1, d being ``columns`` if given.
    """
    rows = np.asarray(rows)
    if rows.ndim != 2 or 0 in rows.shape or columns not in (None, rows.shape[1]):
        fail("rows", f"shape [r, {columns or 'd'}] with at least 1 of each", list(rows.shape))
    return rows


def write_stored(path: Path, stored: np.ndarray, error: float, dtype: str) -> dict:
    """Write rows that are encoded already, C-contiguous; as `write_block`."""
    checksums = np.fromiter((zlib.crc32(row) for row in stored), "<u4", len(stored))
    tensors = {"rows": (stored, dtype), "checksums": (checksums, "uint32")}
    replace(path, lambda part: _save(part, tensors))
    crc = zlib.crc32(checksums)
    return {"file": path.name, "rows": len(stored), "crc": crc, "error": error}


def _save(path: Path, tensors: dict[str, tuple[np.ndarray, str]]) -> None:
    # Wider ones first, so that each begins at a multiple of its width.
    ordered = sorted(tensors.items(), key=lambda tensor: -tensor[1][0].itemsize)
    header, end = {}, 0
    for name, (array, dtype) in ordered:
        begin, end = end, end + array.nbytes
        header[name] = {
            "dtype": STORED[dtype][1],
            "shape": array.shape,
            "data_offsets": [begin, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for _, (array, _) in ordered:
            file.write(array)  # from where it is: nothing is copied


class Block:
    """The reading side of one block; opening it reads the header and the checksums.

    A file is open only while it is read. Unlike a memory map, thousands of blocks then need no
    handles, and a file cut short meanwhile is an error that names it, not a signal that ends the
    process.

    Args:
        path: the file.
        rows: how many it must have.
        crc: CRC-32 that its checksums must have.
        dtype: that it must be stored in.

    Raises:
        ValueError: that names the file, if it is missing, short, malformed or another.
    """

    def __init__(self, path: Path, rows: int, crc: int, dtype: str):
        path = path.absolute()  # it is read later, when the process may be in another folder
        self.path, self.rows, self._dtype = path, rows, dtype
        try:
            with open(path, "rb") as file:
                header, start = _header(file)
                self.columns = header["rows"]["shape"][1]
                shape = [rows, self.columns]
                self._begin = start + _offset(header["rows"], STORED[dtype], shape)
                file.seek(start + _offset(header["checksums"], STORED["uint32"], [rows]))
                checksums = file.read(4 * rows)
        except OSError as error:
            fail(str(path), "a block of rows", error.strerror)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            wanted = f"a whole block of {rows} rows in {dtype}"
            fail(str(path), wanted, f"another or a damaged file ({error})")
        if zlib.crc32(checksums) != crc:
            fail(str(path), "the checksums that were written", "others")
        self._checksums = np.frombuffer(checksums, "<u4")

    def read(self, numbers: Iterable[int], outs: Iterable[np.ndarray]) -> None:
        """Fill each of ``outs`` (C-contiguous, ``[columns]``, as `decode` gives) with its row.

        Raises:
            ValueError: that names the file and the row, if its bytes are not those written.
        """
        rounded = self._dtype == "bfloat16"  # all others are read to where they belong
        raw = np.empty(self.columns if rounded else 0, STORED[self._dtype][0])
        try:
            with open(self.path, "rb", buffering=0) as file:
                for number, out in zip(numbers, outs, strict=True):
                    target = raw if rounded else out
                    self._fill(file.fileno(), number, target.view("u1"))
                    if rounded:
                        out[...] = decode(raw, self._dtype)
        except OSError as error:
            fail(str(self.path), "a block of rows", error.strerror)

    def _fill(self, handle: int, number: int, target: np.ndarray) -> None:
        place, done = self._begin + number * target.nbytes, 0
        while done < target.nbytes:  # the system reads 2 GiB at a time at most
            got = os.preadv(handle, [target[done:]], place + done)
            if got == 0:
                fail(str(self.path), f"{self.rows} rows", f"a file that ends in row {number}")
            done += got
        if zlib.crc32(target) != self._checksums[number]:
            fail(str(self.path), f"row {number} as it was written", "other bytes (its checksum)")


def _header(file: BinaryIO) -> tuple[dict, int]:
    """Return a safetensors header, and where the data begin."""
    size = os.fstat(file.fileno()).st_size
    start = 8 + int.from_bytes(file.read(8), "little")
    if start > size:
        raise ValueError(f"{size} bytes, its header alone {start}")
    header = json.loads(file.read(start - 8))
    end = start + max(tensor["data_offsets"][1] for tensor in header.values())
    if end != size:
        raise ValueError(f"{size} bytes, by its header {end}")
    return header, start


def _offset(tensor: dict, layout: tuple[str, str], shape: list[int]) -> int:
    """Return where a tensor's bytes begin among the data, if it has this layout and shape."""
    begin, end = tensor["data_offsets"]
    size = np.dtype(layout[0]).itemsize * math.prod(shape)
    if (tensor["dtype"], tensor["shape"], end - begin) != (layout[1], shape, size):
        raise ValueError(f"{tensor['dtype']} {tensor['shape']} where {layout[1]} {shape} should be")
    return begin
