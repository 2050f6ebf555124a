"""What `unlearning record` does: run a chapter at paper scale and keep what it measured."""

import contextlib
import itertools
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from unlearning.base import checks, provenance
from unlearning.base.locks import held
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
        parameter_file: a file in ``notebooks/parameters/``, so that the run can be repeated.

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
    """The parameter files with a comment that names this chapter."""
    files = sorted((source.parent / "parameters").glob("*.yml"))
    command = f"unlearning record {source.stem[:2]} "
    return [path for path in files if command in path.read_text(encoding="utf-8")]


def seeds_of(source: Path, values: dict[str, Any]) -> list[int]:
    """The seeds that a record is over, from the file or by the chapter's default."""
    return values.get("seeds") or declared_parameters(read_chapter(source))["seeds"].default


def make(source: Path, name: str, values: dict[str, Any], *, again: bool = False) -> None:
    """Run the chapter; finished seeds of an interrupted recording are kept and used.

    Args:
        source: the chapter.
        name: of the record.
        values: checked parameters.
        again: whether to forget seeds that have finished.
    """
    parts = parts_folder(name)
    with _measuring(parts, seeds_of(source, values)), seed_progress(parts):
        if again:
            _forget(parts)
        execute_chapter(source, parts.with_suffix(".ipynb"), values, cwd=Path.cwd())


def make_seed(source: Path, name: str, values: dict[str, Any], seed: int) -> None:
    """Run the chapter for one of its seeds and keep what it measured; write no record.

    Several seeds may be run at once, by as many processes, on any machines that share the clone;
    ``make`` then finds them all and puts the record together.

    Args:
        source: the chapter.
        name: of the record.
        values: checked parameters.
        seed: one of those that the record is over.

    Raises:
        ValueError: if the record has no such seed.
    """
    seeds = seeds_of(source, values)
    if seed not in seeds:
        checks.fail("--only-seed", f"one of {', '.join(map(str, seeds))}", seed)
    parts = parts_folder(name)
    with _measuring(parts, [seed]):
        target, share = parts / f"run-{seed}.ipynb", values | {"seeds": [seed]}
        execute_chapter(source, target, share, cwd=Path.cwd(), until=records.SAVING)


@contextlib.contextmanager
def _measuring(parts: Path, seeds: list[int]) -> Iterator[None]:
    """Let one process at a time measure a seed; the next one finds what the first has kept."""
    with contextlib.ExitStack() as locks:
        for seed in sorted(seeds):  # in one order, so that two never wait for each other
            locks.enter_context(held(parts / "locks", str(seed), wait=True))
        yield


def _forget(parts: Path) -> None:
    """Remove what finished seeds have left, but not the locks that are held."""
    for path in parts.iterdir():
        if path.is_dir() and path.name != "locks":
            shutil.rmtree(path)


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
