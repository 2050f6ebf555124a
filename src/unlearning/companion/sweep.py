"""Many runs: the jobs of a sweep, one for each record and seed.

A sweep is a YAML list. Each entry names a chapter and a parameter file of the book; ``cross`` gives
lists of values for other parameters, and every combination of them becomes a setting of its own::

    - chapter: "09"
      file: paper-mnist-logistic.yml
      cross: {step_size: [0.01, 0.1], epochs: [15, 150]}

A setting is a parameter file in ``notebooks/parameters/``, so that a single one can be repeated
with ``unlearning record``; those that are crossed are written there. ``sweep/Snakefile`` runs it.
"""

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from unlearning.base import checks
from unlearning.base.durable import replace
from unlearning.companion import recording
from unlearning.companion.chapters import find_chapter, notebooks_folder, read_chapter
from unlearning.companion.parameters import (
    check_parameters,
    declared_parameters,
    parameters_from_file,
)

KEYS = {"chapter": str, "file": str, "cross": dict}


@dataclass(frozen=True)
class Setting:
    """One record to make.

    Attributes:
        name: of the record.
        chapter: the text notebook.
        file: the parameter file.
        seeds: a job each.
    """

    name: str
    chapter: Path
    file: Path
    seeds: tuple[int, ...]


def settings(path: Path) -> list[Setting]:
    """All settings of a sweep, each checked as ``unlearning record`` does.

    Args:
        path: of the YAML file.

    Raises:
        ValueError: that names the entry and what is wrong with it.
    """
    if not path.is_file():
        checks.fail("sweep", "an existing YAML file (--config file=...)", repr(str(path)))
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        checks.fail(str(path), "YAML", error)
    if not isinstance(entries, list) or not entries:
        checks.fail(str(path), "a list with a chapter and a file in each entry", repr(entries))
    found = {}
    for number, entry in enumerate(entries, 1):
        try:
            _check(entry)
            found |= {setting.name: setting for setting in _of_entry(entry)}
        except ValueError as error:
            raise ValueError(f"{path}, entry {number}: {error}") from None
    return list(found.values())


def _check(entry: Any) -> None:
    if not isinstance(entry, dict) or not {"chapter", "file"} <= entry.keys() <= KEYS.keys():
        checks.fail("entry", "chapter, file and perhaps cross", repr(entry))
    for key, value in entry.items():
        if not isinstance(value, KEYS[key]):
            checks.fail(key, f"a {KEYS[key].__name__}", repr(value))
    for key, values in entry.get("cross", {}).items():
        if key == "seeds" or not isinstance(values, list) or not values:
            checks.fail(f"cross, {key}", "a list of values for a parameter other than seeds",
                        repr(values))  # fmt: skip


def _of_entry(entry: Mapping[str, Any]) -> Iterator[Setting]:
    chapter = find_chapter(entry["chapter"], notebooks_folder())
    base = notebooks_folder() / "parameters" / entry["file"]
    recording.plan(chapter, base)
    declared, cross = declared_parameters(read_chapter(chapter)), entry.get("cross", {})
    for values in itertools.product(*cross.values()):
        # Checked before a file is written.
        changes = check_parameters(dict(zip(cross, values, strict=True)), declared)
        file = _crossed(chapter, base, changes) if changes else base
        name, checked = recording.plan(chapter, file)
        yield Setting(name, chapter, file, tuple(recording.seeds_of(chapter, checked)))


def _crossed(chapter: Path, base: Path, changes: Mapping[str, Any]) -> Path:
    """Write the parameter file of one combination, unless it is there."""
    words = [base.stem, *(f"{key}-{value}" for key, value in changes.items())]
    stem = re.sub(r"[^a-z0-9]+", "-", "-".join(words).lower()).strip("-")
    path = base.with_name(f"{stem}.yml")
    lines = {**parameters_from_file(base), **changes}
    text = (
        f"# {base.name} with {', '.join(f'{key} = {value}' for key, value in changes.items())}.\n"
        f"#   unlearning record {chapter.stem[:2]} -f notebooks/parameters/{path.name}\n"
        + yaml.safe_dump(lines, sort_keys=False, default_flow_style=None, width=200)
    )
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        replace(path, lambda part: part.write_text(text, encoding="utf-8"))
    return path
