"""Executing one chapter, so that the same inputs give the same bytes.

    python -m unlearning.companion.execute SOURCE.md TARGET.ipynb [--timings TIMINGS.json]

The target exists only if its last run succeeded: the work goes on in `TARGET.failed.ipynb`,
which is renamed at the very end and stays behind, for reading, when a cell fails.
"""

import argparse
import contextlib
import json
import logging
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import nbformat

from unlearning.base import provenance
from unlearning.companion.allocation import keep_freed_memory
from unlearning.companion.chapters import read_chapter
from unlearning.companion.parameters import declared_parameters


class ChapterFailed(Exception):
    """A cell of the chapter raised; the text is the cell's own traceback."""


def execute_chapter(
    source: Path,
    target: Path,
    parameters: Mapping[str, Any] | None = None,
    *,
    cwd: Path | None = None,
    progress: bool = False,
    cell_timeout: int | None = None,
    until: str = "",
) -> dict[str, Any]:
    """Runs the text notebook `source` and writes the executed notebook `target`.

    Args:
        source: The chapter, `NN_topic.md`.
        target: Where the executed `.ipynb` goes; what stood there is removed first.
        parameters: Checked values for the parameters cell; papermill shows them in a cell of
            their own. None runs the defaults.
        cwd: Working directory of the kernel; the chapter's own folder if None.
        progress: Whether to draw a progress bar.
        cell_timeout: Seconds that one cell may take; None for no limit.
        until: Leave out what comes after the first code cell that has this text.

    Returns:
        What the status page shows: `notebook` (its name), `seconds` in all, `cells` (the seconds
        of each code cell), `date`, `commit`, `environment` (versions, hardware, threads).

    Raises:
        ChapterFailed: If a cell raised.
    """
    import papermill  # slow to import, and not needed for --help
    from traitlets.config import Config

    # Names were checked already; papermill cannot read `float | None` and calls it unknown.
    logging.getLogger("papermill").setLevel(logging.ERROR)
    notebook = _chapter_until(source, until)
    keep_freed_memory()
    target.unlink(missing_ok=True)
    working = target.with_suffix(".failed.ipynb")
    started = time.monotonic()
    with private_runtime_folder() as sockets, _removed_when_interrupted(working):
        try:
            executed = papermill.execute_notebook(
                notebook,
                _literal(working),
                parameters=dict(parameters or {}),
                kernel_name="python3",
                progress_bar=progress,
                cwd=str(cwd or source.parent),
                execution_timeout=cell_timeout,
                config=Config(
                    KernelManager={"transport": "ipc", "ip": f"{sockets}/kernel"},
                    # A kernel that is told to stop logs an error about having been told so.
                    NotebookClient={"extra_arguments": ["--log-level=50"]},
                ),
            )
        except papermill.PapermillExecutionError as error:
            raise ChapterFailed(str(error)) from None
    timings = {
        "notebook": source.stem,
        "seconds": round(time.monotonic() - started, 2),
        "cells": [_cell_seconds(cell) for cell in executed.cells if cell.cell_type == "code"],
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "commit": provenance.commit(),
        "environment": provenance.machine() | {"threads": os.environ.get("OMP_NUM_THREADS")},
    }
    make_repeatable(executed)
    nbformat.write(executed, working)
    os.replace(working, target)
    return timings


def _chapter_until(source: Path, text: str):
    """The chapter up to a text, refused if its parameters cell is malformed."""
    notebook = read_chapter(source)
    declared_parameters(notebook)
    notebook.cells = _until(notebook.cells, text)
    return notebook


def _until(cells: list[nbformat.NotebookNode], text: str) -> list[nbformat.NotebookNode]:
    code = [i for i, cell in enumerate(cells) if cell.cell_type == "code" and text in cell.source]
    return cells[: code[0] + 1] if text and code else cells


def _literal(path: Path) -> str:
    # papermill fills {names} in a path from the parameters; braces here are meant as they are.
    return str(path).replace("{", "{{").replace("}", "}}")


def _cell_seconds(cell: nbformat.NotebookNode) -> float:
    return round(cell.metadata.get("papermill", {}).get("duration") or 0.0, 3)


@contextlib.contextmanager
def private_runtime_folder() -> Iterator[str]:
    """Gives the kernel a connection folder of its own, so that parallel kernels never meet.

    The kernel's sockets lie in it, and the path of a socket must stay short (104 characters).
    """
    before = os.environ.get("JUPYTER_RUNTIME_DIR")
    short = "/tmp" if os.access("/tmp", os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="ul-", dir=short, ignore_cleanup_errors=True) as folder:
        os.environ["JUPYTER_RUNTIME_DIR"] = folder
        try:
            yield folder
        finally:
            if before is None:
                del os.environ["JUPYTER_RUNTIME_DIR"]
            else:
                os.environ["JUPYTER_RUNTIME_DIR"] = before


@contextlib.contextmanager
def _removed_when_interrupted(path: Path) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        path.unlink(missing_ok=True)
        raise


def make_repeatable(notebook: nbformat.NotebookNode) -> None:
    """Drops, in place, what differs from run to run: times, ids, addresses, the patch version."""
    notebook.metadata.pop("papermill", None)
    version = notebook.metadata.get("language_info", {}).get("version")
    if version:
        notebook.metadata.language_info["version"] = ".".join(version.split(".")[:2])
    for cell in notebook.cells:
        for volatile in ("papermill", "execution"):
            cell.metadata.pop(volatile, None)
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell["id"] = "injected-parameters"
        if cell.cell_type == "code":
            cell.outputs = _joined_streams(cell.outputs)
            for position, output in enumerate(cell.outputs):
                _settle_output(output.get("data", {}), f"{cell['id']}-{position}")


def _joined_streams(outputs: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """Joins pieces of printed text; where the kernel cuts it is a matter of timing."""
    joined: list[nbformat.NotebookNode] = []
    for output in outputs:
        last = joined[-1] if joined else {}
        if output.output_type == "stream" and output.get("name") == last.get("name"):
            last["text"] += output["text"]
        else:
            joined.append(output)
    return joined


def _settle_output(data: dict[str, Any], place: str) -> None:
    """Replaces the random id of a styled pandas table, and drops a bare object's address."""
    if "text/html" in data:
        data["text/html"] = re.sub(r"\bT_[0-9a-f]{5}(?=[_\"\s])", f"T_{place}", data["text/html"])
    if len(data) > 1 and re.fullmatch(r"<.* at 0x[0-9a-f]+>", data.get("text/plain", "")):
        del data["text/plain"]


def main() -> int:
    """Executes one chapter of the book, as the Snakefile asks for it."""
    parser = argparse.ArgumentParser(description="Execute one chapter of the book.")
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--timings", type=Path, help="write the seconds of each cell here")
    arguments = parser.parse_args()
    name = arguments.source.stem
    print(f"  {name}: running ...", file=sys.stderr, flush=True)
    arguments.target.parent.mkdir(parents=True, exist_ok=True)
    try:
        timings = execute_chapter(arguments.source, arguments.target, cell_timeout=600)
    except (ChapterFailed, ValueError) as error:
        print(f"{error}\n  {name}: FAILED", file=sys.stderr, flush=True)
        return 1
    if arguments.timings:
        arguments.timings.parent.mkdir(parents=True, exist_ok=True)
        arguments.timings.write_text(json.dumps(timings, indent=1) + "\n", encoding="utf-8")
    print(f"  {name}: done in {timings['seconds']:.0f} s", file=sys.stderr, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
