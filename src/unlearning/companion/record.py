"""Recorded runs: results of a notebook at paper scale, with all that is needed to repeat them.

A record is one JSON file in ``results/``, named after its chapter's topic and its parameter file:
``unlearning record 09 -f notebooks/parameters/paper-mnist-logistic.yml`` makes
``results/verification-mnist-logistic.json``. Pages draw their paper-scale figures from it, and
verdicts are read off it.
"""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from unlearning.base import checks, provenance, sources
from unlearning.companion.chapters import (
    book_root,
    chapters,
    find_chapter,
    is_carried,
    notebooks_folder,
    read_chapter,
)
from unlearning.companion.parameters import declared_parameters, parameters_from_file

DIGITS = 6  # significant digits of recorded numbers
SAVING = "study.save("  # the last cell of a notebook that a record depends on has this call


def results_folder() -> Path:
    """Where the records are: ``results/`` of the clone, or those the package carries."""
    return book_root() / "results"


def output_root() -> Path:
    """Where new files go: the clone; without one the current folder, never the package."""
    root = book_root()
    return Path.cwd() if is_carried(root) else root


def name_for(chapter: str, parameter_file: Path) -> str:
    """The name of the record that a chapter makes with a parameter file."""
    topic = find_chapter(chapter, notebooks_folder()).stem[3:]
    stem = parameter_file.stem.removeprefix("paper-")
    return f"{topic}-{stem}".replace("_", "-")


def parameter_file(name: str, chapter: str) -> Path | None:
    """The file in ``notebooks/parameters/`` that the record ``name`` of a chapter is made with."""
    files = (notebooks_folder() / "parameters").glob("*.yml")
    return next((path for path in sorted(files) if name_for(chapter, path) == name), None)


def command(record: Mapping[str, Any]) -> str:
    """The command that makes this record again."""
    file = parameter_file(record["name"], record["chapter"])
    shown = f"notebooks/parameters/{file.name}" if file else "FILE"
    return f"unlearning record {record['chapter'][:2]} -f {shown}"


def save(
    name: str,
    *,
    chapter: str,
    parameters: Mapping[str, Any],
    runs: Iterable[Mapping[str, Any]],
    used: Mapping[str, str],
    values: list[dict],
    findings: Iterable[Mapping] = (),
    effects: Iterable[Mapping] = (),
    folder: Path | None = None,
) -> Path | None:
    """Write a record, whole or not at all; numbers are kept to six significant digits.

    A run of some of the seeds that the record's parameter file asks for is no record, and nothing
    is written (what these seeds have measured is kept by ``Study``).

    Args:
        name: of the record: lower-case letters, digits and hyphens.
        chapter: number or name of the notebook that computed it.
        parameters: the configuration, plain values.
        runs: one entry a seed: ``seed``, ``seconds``, ``commit``, ``date``.
        used: the library's files that took part (``sources.used()``).
        values: the results, one flat dictionary a row; nothing in them may be NaN or infinite.
        findings: what claims are judged by (``criteria.finding``).
        effects: what a named departure changes (``criteria.effect``).
        folder: where to; ``results/`` of the clone by default.

    Returns:
        The path of the file; None if nothing is written.

    Raises:
        ValueError: if the name has other characters, the parameters are not those of the notebook,
            or a value is not plain and finite.
    """
    _check_configuration(parameters, chapter)
    if _lacks_seeds(name, chapter, parameters):
        return None
    if not name.replace("-", "").isalnum() or not name.isascii() or name != name.lower():
        checks.fail("name", "lower-case letters, digits and hyphens", repr(name))
    runs, notebook = list(runs), notebook_hash(chapter)
    record = {
        "name": name,
        "chapter": find_chapter(chapter, notebooks_folder()).stem,
        "parameter_file": file.name if (file := parameter_file(name, chapter)) else None,
        "parameters": dict(parameters),
        "configuration_hash": provenance.configuration_hash(parameters),
        "source_hash": _source_hash(used, notebook),
        "sources": dict(used),
        "notebook": notebook,
        "commit": ", ".join(dict.fromkeys(run["commit"] for run in runs)),
        "date": max(run["date"] for run in runs),
        "environment": provenance.environment(),
        "seconds": round(sum(run["seconds"] for run in runs), 1),
        "runs": runs,
        "findings": list(findings),
        "effects": list(effects),
        "values": values,
    }
    try:
        record = rounded(record)
        text = _as_text({"content_hash": content_hash(record), **record})
    except (TypeError, ValueError) as error:
        checks.fail("values", "plain finite numbers, strings, lists and dictionaries", error)
    path = (folder or output_root() / "results") / f"{name}.json"
    write_whole(path, text)
    return path


def _check_configuration(parameters: Mapping[str, Any], chapter: str) -> None:
    """Every parameter that a reader can set is part of the configuration."""
    declared = set(declared_parameters(_notebook(chapter))) - {"record"}
    if set(parameters) != declared:
        checks.fail("parameters", f"those of the notebook, {sorted(declared)}", sorted(parameters))


def content_hash(record: Mapping[str, Any]) -> str:
    """Hash of all that a record says, so that no number in it can be changed unseen."""
    said = {key: value for key, value in record.items() if key not in ("content_hash", "stale")}
    return provenance.digest(json.dumps(said, sort_keys=True, allow_nan=False))


def write_whole(path: Path, text: str) -> None:
    """Write a file so that it is there whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


def rounded(value: Any) -> Any:
    """The same with all numbers as a record keeps them."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, Mapping):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list | tuple) else value


def _as_text(record: Mapping[str, Any]) -> str:
    """JSON with one row a line, so that a difference between two versions can be read."""
    fields = []
    for key, value in record.items():
        if isinstance(value, list) and value:
            rows = ",\n  ".join(json.dumps(row, allow_nan=False) for row in value)
            fields.append(f' "{key}": [\n  {rows}\n ]')
        else:
            text = json.dumps(value, allow_nan=False, indent=1).replace("\n", "\n ")
            fields.append(f' "{key}": {text}')
    return "{\n" + ",\n".join(fields) + "\n}\n"


def mark_renewed(name: str, by: Mapping[str, Any], environment: Mapping[str, Any]) -> None:
    """Say in a record that one seed was run again, by later code, and measured the same.

    Args:
        name: of a record in ``results/`` of the clone.
        by: the ``seed``, and the ``commit`` that it was run at.
        environment: that of the other seeds, which the record keeps; the seed's own stands in
            ``renewed``.
    """
    path = output_root() / "results" / f"{name}.json"
    said = json.loads(path.read_text(encoding="utf-8"))
    renewed = {**by, "environment": said["environment"]}
    said = {k: v for k, v in said.items() if k != "content_hash"}
    said |= {"environment": dict(environment), "renewed": renewed}
    write_whole(path, _as_text({"content_hash": content_hash(said), **said}))


def load(name: str, folder: Path | None = None) -> dict[str, Any] | None:
    """Read a record; None if it has not been made yet.

    Its ``stale`` lists what has changed since, in words; empty while all is as it was.
    """
    path = (folder or results_folder()) / f"{name}.json"
    if not path.is_file():
        return None
    record = json.loads(path.read_text(encoding="utf-8"))
    record["stale"] = _changes_since(record)
    if "content_hash" not in record:  # of an older form, which no verdict can be read off
        record["findings"] = record["effects"] = []
    return record


def load_all(folder: Path | None = None) -> dict[str, dict[str, Any]]:
    """All records by name."""
    paths = sorted((folder or results_folder()).glob("*.json"))
    return {path.stem: load(path.stem, folder) for path in paths}


def _changes_since(record: Mapping[str, Any]) -> list[str]:
    if "content_hash" not in record:
        return ["the form of records"]
    if record["chapter"] not in chapters(notebooks_folder()):
        return [f"{record['chapter']} is gone"]
    changes = sources.changed(record["sources"]) + _changed_parameters(record)
    if record["notebook"] != notebook_hash(record["chapter"]):
        changes.append(f"the code of {record['chapter']}")
    if record["content_hash"] != content_hash(record):
        changes.append("the record itself")
    return changes


def _changed_parameters(record: Mapping[str, Any]) -> list[str]:
    """Parameters that the same command would take another value for today."""
    file = parameter_file(record["name"], record["chapter"])
    if file is None:
        return ["the parameter file is gone"]
    today = _asked_for(file, record["chapter"])
    recorded = record["parameters"]
    return [f"parameter {key}" for key in recorded if today.get(key) != recorded[key]]


def _lacks_seeds(name: str, chapter: str, parameters: Mapping[str, Any]) -> bool:
    """Whether the record's own file asks for these seeds, and for others too."""
    file = parameter_file(name, chapter)
    if file is None:
        return False
    return set(parameters["seeds"]) < set(_asked_for(file, chapter)["seeds"])


def _asked_for(file: Path, chapter: str) -> dict[str, Any]:
    """All parameters that the chapter has with a parameter file."""
    declared = declared_parameters(_notebook(chapter))
    return {p.name: p.default for p in declared.values()} | parameters_from_file(file)


def _source_hash(used: Mapping[str, str], notebook: str) -> str:
    """One hash of everything that computed: the library's files and the notebook's code."""
    return provenance.digest(json.dumps(dict(used), sort_keys=True), notebook)


def notebook_hash(chapter: str) -> str:
    """Hash of the code that computes a record: the cells up to the one that saves it.

    Plots, prose and default parameters do not count, nor does what only shows the results.
    """
    code = [c for c in _notebook(chapter).cells if c.cell_type == "code"]
    ends = [i for i, cell in enumerate(code, 1) if SAVING in cell.source]
    computing = code[: ends[0]] if ends else code
    return sources.digest_of_code(c.source for c in computing if not _is_plot_or_parameters(c))


def _notebook(chapter: str):
    return read_chapter(find_chapter(chapter, notebooks_folder()))


def _is_plot_or_parameters(cell) -> bool:
    """Plots draw what was computed, and parameters have a hash of their own."""
    return bool({"hide-input", "parameters"} & set(cell.metadata.get("tags", [])))


def describe(record: Mapping[str, Any]) -> str:
    """One sentence for a caption: when, at which commit and on what a record was made."""
    where = record["environment"]
    hardware = where["gpu"] or where["processor"]
    again = record.get("renewed")
    same = f" Seed {again['seed']} run again at {again['commit']}: the same." if again else ""
    stale = f" **STALE**: changed since: {', '.join(record['stale'])}." if record["stale"] else ""
    return (
        f"Record `{record['name']}`, made {record['date']} at commit {record['commit']} with torch "
        f"{where['versions']['torch']} on {hardware}, {where['threads']} thread(s), "
        f"{record['seconds']:.0f} s.{same}{stale}"
    )
