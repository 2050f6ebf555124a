"""Matrices of rows on disk: a folder with blocks of rows, and a manifest that lists them.

Every file gets its name last, so a process that is killed leaves the old files or the new ones,
whole. NumPy suffices: a process that only looks rows up starts without PyTorch.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from unlearning.base import checks
from unlearning.base.blocks import Block, matrix, write_block, write_stored
from unlearning.base.durable import MANIFEST, read_manifest, write_manifest
from unlearning.base.rounding import DTYPES, STORED, decode, encode

__all__ = [
    "DTYPES",
    "Rows",
    "Writer",
    "merge",
    "open_store",
    "read_manifest",
    "write_block",
    "write_manifest",
]

BLOCK_BYTES = 64 * 2**20


class Writer:
    """Writes many rows, appended in pieces, as blocks of one store.

    At most one block is held in memory, as it will be stored. Blocks of the same names in the
    folder are replaced.

    Args:
        folder: made if it does not exist.
        columns: d.
        dtype: one of `DTYPES`.
        block_bytes: rows of at most so many bytes to a file, but at least one row.
        prefix: blocks are named ``{prefix}-00000.safetensors`` and so on.
        entries: of blocks that a writer before this one has written, to go on after them.

    Raises:
        ValueError: for a wrong argument, or a folder that cannot be made or written to.
    """

    def __init__(
        self,
        folder: str | Path,
        columns: int,
        dtype: str,
        *,
        block_bytes: int = BLOCK_BYTES,
        prefix: str = "rows",
        entries: Sequence[dict] = (),
    ):
        layout = np.dtype(STORED[checks.choice("dtype", dtype, DTYPES)][0])
        checks.integer("columns", columns, least=1)
        checks.integer("block_bytes", block_bytes, least=1)
        self._dtype, self._prefix = dtype, prefix
        self._block = np.empty(
            (max(1, block_bytes // (columns * layout.itemsize)), columns), layout
        )
        self._filled, self._error = 0, 0.0
        self._entries: list[dict] = list(entries)
        self._folder = checks.folder("folder", folder)

    def append(self, rows: Any) -> None:
        """Add ``rows`` (``[r, columns]``, any float dtype); blocks that are full are written.

        Raises:
            ValueError: if the shape or dtype is another, or a value is too large for the dtype.
        """
        rows = matrix(rows, self._block.shape[1])
        while len(rows):
            piece, rows = np.split(rows, [len(self._block) - self._filled])
            free = self._block[self._filled :]
            free[: len(piece)], error = encode(piece, self._dtype)
            self._filled += len(piece)
            self._error = max(self._error, error)
            if self._filled == len(self._block):
                self._flush()

    def flush(self) -> list[dict]:
        """Write what is left, and return the entries of all blocks, in order."""
        if self._filled:
            self._flush()
        return list(self._entries)

    def _flush(self) -> None:
        path = self._folder / f"{self._prefix}-{len(self._entries):05d}.safetensors"
        entry = write_stored(path, self._block[: self._filled], self._error, self._dtype)
        self._entries.append(entry)
        self._filled, self._error = 0, 0.0


class Rows:
    """Rows of several blocks, read from the disk by number.

    Args:
        folder: where the blocks are.
        entries: as `write_block` and `Writer.flush` return them, in order, at least one.
        dtype: of storage.

    Attributes:
        shape: ``(rows, columns)``.
        dtype: of storage, a name.

    Raises:
        ValueError: that names the file, if it is missing, short, malformed, of another shape or
            dtype, or if its checksums are not the ones that were written.
    """

    def __init__(self, folder: str | Path, entries: Sequence[dict], dtype: str):
        self.dtype = checks.choice("dtype", dtype, STORED)
        try:
            wanted = [(Path(folder, e["file"]), int(e["rows"]), int(e["crc"])) for e in entries]
        except (TypeError, KeyError, ValueError) as error:
            checks.fail(
                str(folder), "blocks with file, rows and crc", f"{type(error).__name__}: {error}"
            )
        if not wanted:
            checks.fail(str(folder), "at least one block of rows", "none")
        self._blocks = [Block(*block, dtype) for block in wanted]
        columns = self._blocks[0].columns
        for block in self._blocks:
            if block.columns != columns:
                checks.fail(
                    str(block.path), f"{columns} columns as in the first block", block.columns
                )
        self._ends = np.cumsum([block.rows for block in self._blocks])
        self.shape = (int(self._ends[-1]), columns)

    def read(self, numbers: Any, out: np.ndarray | None = None) -> np.ndarray:
        """Return rows by number, in the order given; reads and checks these rows and no others.

        Args:
            numbers: row numbers, shape ``[m]``; one may come twice.
            out: array ``[m, d]`` to fill and return, C-contiguous, of the dtype below.

        Returns:
            ``[m, d]``: float32 for storage in bfloat16, else the dtype of storage.

        Raises:
            ValueError: that names the file, and the row in it, whose bytes are not the ones that
                were written; or if ``numbers`` or ``out`` is not as above.
        """
        numbers = self._numbers(numbers)
        out = self._output(len(numbers), out)
        homes = np.searchsorted(self._ends, numbers, side="right")
        for home in np.unique(homes):
            block = self._blocks[home]
            (places,) = np.nonzero(homes == home)
            local = numbers[places] - (self._ends[home] - block.rows)
            block.read(local.tolist(), (out[place] for place in places))
        return out

    def _numbers(self, numbers: Any) -> np.ndarray:
        given = np.asarray(numbers)
        if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
            checks.fail("numbers", "a list of row numbers", f"{given.dtype} {list(given.shape)}")
        outside = (given < 0) | (given >= self.shape[0])
        if outside.any():
            checks.fail("numbers", f"rows from 0 to {self.shape[0] - 1}", given[outside][0])
        return given.astype(np.int64)

    def _output(self, m: int, out: np.ndarray | None) -> np.ndarray:
        wanted = (m, self.shape[1])
        dtype = decode(np.empty(0, STORED[self.dtype][0]), self.dtype).dtype
        if out is None:
            return np.empty(wanted, dtype)
        if out.shape != wanted or out.dtype != dtype or not out.flags.c_contiguous:
            given = f"{out.dtype} {list(out.shape)}, contiguous: {out.flags.c_contiguous}"
            checks.fail("out", f"{dtype} {list(wanted)}, contiguous", given)
        return out


def open_store(folder: str | Path) -> tuple[Rows, dict]:
    """Return the rows of a store, and its manifest: ``format``, ``dtype``, ``blocks``, and more.

    Raises:
        ValueError: that names the manifest or block that is missing, unreadable, malformed or
            damaged.
    """
    content = _store(checks.path("folder", folder), "dtype", "blocks")
    return Rows(folder, content["blocks"], content["dtype"]), content


def merge(folder: str | Path, parts: Sequence[str | Path]) -> None:
    """Write a manifest that makes one store of the stores in sub-folders; nothing is copied.

    Each part's manifest holds ``first`` (its first row's number) and ``of`` (rows of the whole),
    and may hold ``computed``, a list of how its rows came about: these lists are joined. The rest
    of the manifests must be the same and becomes the rest of the new one.

    Args:
        folder: of the whole.
        parts: folders within it, in any order.

    Raises:
        ValueError: if parts differ in what must be the same, or rows are missing or come twice; it
            names the keys with both values, or the rows, and the parts.
    """
    named = [
        (_inside(Path(folder), Path(part)), _store(part, "dtype", "blocks", "first", "of"))
        for part in parts
    ]
    if not named:
        checks.fail("parts", "at least one folder", "none")
    _same(named)
    ordered = sorted(named, key=lambda part: part[1]["first"])
    _complete(ordered)
    blocks = [
        {**entry, "file": f"{name}/{entry['file']}"}
        for name, content in ordered
        for entry in content["blocks"]
    ]
    whole = {**ordered[0][1], "first": 0, "blocks": blocks}
    if "computed" in whole:
        whole["computed"] = [how for _, content in ordered for how in content["computed"]]
    Rows(folder, blocks, whole["dtype"])  # every file is there, and fits the others
    if Path(folder, MANIFEST).exists():
        _same([("the parts", whole), (f"{folder}, which is not theirs", read_manifest(folder))])
    write_manifest(folder, whole)


def _store(folder: str | Path, *keys: str) -> dict:
    content = read_manifest(folder)
    missing = [key for key in keys if key not in content]
    if missing:
        wanted = f"a store of rows with {', '.join(keys)}"
        checks.fail(str(Path(folder, MANIFEST)), wanted, f"no {', '.join(missing)}")
    return content


def _inside(folder: Path, part: Path) -> str:
    """Return the part's path relative to the folder of the whole."""
    try:
        name = part.resolve().relative_to(folder.resolve()).as_posix()
    except ValueError:
        name = "."
    if name == ".":
        checks.fail("parts", f"folders within {folder}", part)
    return name


def _same(named: list[tuple[str, dict]]) -> None:
    """Refuse parts that differ in anything but their rows."""
    own = {"first", "blocks", "computed"}
    shared = [
        (name, {key: content[key] for key in content.keys() - own}) for name, content in named
    ]
    (first, model), *others = shared
    for name, content in others:
        checks.same("parts", model, content, f" as in {first}", f" in {name}")


def _complete(ordered: list[tuple[str, dict]]) -> None:
    """Refuse parts, ordered by first row, that are not each row of the whole once."""
    end, before = 0, ""
    for name, content in ordered:
        if content["first"] > end:
            checks.fail("parts", f"rows {end} to {content['first'] - 1}", "no part that has them")
        if content["first"] < end:
            checks.fail(
                "parts", "each row once", f"row {content['first']} in {before} and in {name}"
            )
        end, before = end + sum(entry["rows"] for entry in content["blocks"]), name
    total = ordered[0][1]["of"]
    if end < total:
        checks.fail("parts", f"rows {end} to {total - 1}", "no part that has them")
    if end > total:
        checks.fail("parts", f"{total} rows", f"row {end - 1} in {before}")
