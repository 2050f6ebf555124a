"""What `unlearning record` does: run a chapter at paper scale and keep what it measured."""

import contextlib
import itertools
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unlearning.base import checks, provenance
from unlearning.base.progress import track
from unlearning.companion import record as records
from unlearning.companion.chapters import read_chapter
from unlearning.companion.execute import execute_chapter
from unlearning.companion.parameters import (
    check_parameters,
    declared_parameters,
    parameters_from_file,
)
from unlearning.companion.study import parts_folder


def plan(source: Path, parameter_file: Path) -> tuple[str, dict[str, Any]]:
    """The name of the record, and the parameters to run with.

    Args:
        source: the chapter.
        parameter_file: a file in ``notebooks/parameters/``, so that anyone can repeat the run.

    Raises:
        ValueError: if the chapter keeps no record, the file lies elsewhere or does not fit, or
            there is no clone to keep the record in.
    """
    if provenance.repository_root() is None:
        checks.fail("record", "a clone of the repository, where results/ is", "an installation")
    declared = declared_parameters(read_chapter(source))
    if "record" not in declared or "seeds" not in declared:
        checks.fail("notebook", "a chapter with parameters 'record' and 'seeds'", source.stem)
    fitting = parameter_files(source)
    if parameter_file.resolve() not in [path.resolve() for path in fitting]:
        names = ", ".join(path.name for path in fitting) or "there is none"
        wanted = f"a file of notebooks/parameters/ that is for chapter {source.stem[:2]} ({names})"
        checks.fail("-f", wanted, repr(str(parameter_file)))
    given = parameters_from_file(parameter_file)
    if "record" in given:
        checks.fail("-f", "no 'record' (its name follows from the file)", repr(given["record"]))
    name = records.name_for(source.stem, parameter_file)
    return name, check_parameters({**given, "record": name}, declared)


def parameter_files(source: Path) -> list[Path]:
    """The parameter files that say, in a comment, that they are for this chapter."""
    files = sorted((source.parent / "parameters").glob("*.yml"))
    says = f"unlearning record {source.stem[:2]} "
    return [path for path in files if says in path.read_text(encoding="utf-8")]


def make(source: Path, name: str, values: dict[str, Any], *, again: bool = False) -> dict[str, Any]:
    """Run the chapter; finished seeds of an interrupted recording are kept and used.

    Args:
        source: the chapter.
        name: of the record.
        values: checked parameters.
        again: whether to forget seeds that have finished.

    Returns:
        What ``execute_chapter`` returns.
    """
    parts = parts_folder(name)
    if again:
        shutil.rmtree(parts, ignore_errors=True)
    parts.mkdir(parents=True, exist_ok=True)
    with seed_progress(parts):
        return execute_chapter(source, parts.with_suffix(".ipynb"), values, cwd=Path.cwd())


def kept_parts(name: str) -> int:
    """How many finished parts, one for each seed and measurement, there are to go on from."""
    return len(list(parts_folder(name).rglob("seed-*.json")))


@contextlib.contextmanager
def seed_progress(folder: Path) -> Iterator[None]:
    """Show on the terminal how many seeds have finished, while the kernel writes them down."""
    ended = threading.Event()

    def watch() -> None:
        shown, bar = 0, track(itertools.repeat(None), "finished parts")
        while not ended.wait(0.5):
            done = len(list(folder.rglob("seed-*.json")))
            for _ in range(done - shown):
                next(bar)
            shown = max(shown, done)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        ended.set()
        watcher.join()
