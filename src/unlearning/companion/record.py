"""Recorded runs: results of a notebook at paper scale, with all that is needed to repeat them.

A record is one JSON file in ``results/``. A notebook writes it when its parameter ``record`` names
one, and the page draws its paper-scale figures from it.
"""

import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unlearning.base import checks, provenance
from unlearning.companion.chapters import find_chapter, notebooks_folder, read_chapter


def results_folder() -> Path:
    """Where the records are: ``results/`` of the clone."""
    return notebooks_folder().parent / "results"


def save(
    name: str,
    *,
    chapter: str,
    parameters: Mapping[str, Any],
    values: Any,
    seconds: float,
    folder: Path | None = None,
) -> Path:
    """Write a record, whole or not at all.

    Args:
        name: of the record: letters, digits and hyphens.
        chapter: number or name of the notebook that computed it.
        parameters: the configuration, plain values.
        values: the results, plain values; nothing in them may be NaN or infinite.
        seconds: how long the computation took.
        folder: where to; ``results/`` of the clone by default.

    Returns:
        The path of the file.

    Raises:
        ValueError: if the name has other characters, or a value is not plain and finite.
    """
    if not name or not name.replace("-", "").isalnum() or not name.isascii():
        checks.fail("name", "letters, digits and hyphens", repr(name))
    record = {
        "chapter": find_chapter(chapter, notebooks_folder()).stem,
        "parameters": dict(parameters),
        "configuration_hash": provenance.configuration_hash(parameters),
        "source_hash": chapter_hash(chapter),
        "commit": provenance.commit(),
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "environment": provenance.environment(),
        "seconds": round(seconds, 1),
        "values": values,
    }
    try:
        text = json.dumps(record, indent=1, allow_nan=False) + "\n"
    except (TypeError, ValueError) as error:
        checks.fail("values", "plain finite numbers, strings, lists and dictionaries", error)
    path = (folder or results_folder()) / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
    return path


def load(name: str, folder: Path | None = None) -> dict[str, Any] | None:
    """Read a record; None if it has not been made yet.

    Its ``stale`` tells whether the library or the notebook's code has changed since.
    """
    path = (folder or results_folder()) / f"{name}.json"
    if not path.is_file():
        return None
    record = json.loads(path.read_text(encoding="utf-8"))
    record["stale"] = record["source_hash"] != chapter_hash(record["chapter"])
    return record


def chapter_hash(chapter: str) -> str:
    """Hash of what computes a chapter: the library and the notebook's code, not its prose."""
    cells = read_chapter(find_chapter(chapter, notebooks_folder())).cells
    code = [c.source for c in cells if c.cell_type == "code" and not _is_plot_or_parameters(c)]
    return provenance.source_hash(*code)


def _is_plot_or_parameters(cell) -> bool:
    """Plots draw what was computed, and parameters have a hash of their own."""
    return bool({"hide-input", "parameters"} & set(cell.metadata.get("tags", [])))


def describe(record: Mapping[str, Any]) -> str:
    """One sentence for a caption: when, at which commit and on what a record was made."""
    where = record["environment"]
    hardware = where["gpu"] or where["processor"]
    age = ", **STALE: the code has changed since**" if record.get("stale") else ""
    return (
        f"Recorded {record['date']} at commit {record['commit']} with torch "
        f"{where['versions']['torch']} on {hardware}, {where['threads']} thread(s), "
        f"{record['seconds']:.0f} s{age}."
    )
