"""The errata: where released code departs from its paper's text or from correct practice.

They stand in ``errata.yml`` at the top of the clone; the page *Errata* of the book is made from it.
What an entry changes is measured by recorded runs: a record may have a list ``effects``, and an
entry refers to it by the record's name and a subject.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from unlearning.companion import claims
from unlearning.companion import record as records
from unlearning.companion.chapters import book_root, chapters, notebooks_folder
from unlearning.companion.schema import schema_faults


@dataclass(frozen=True)
class Effect:
    """What a record measured about an entry.

    Attributes:
        record: the record's name.
        stale: whether the code has changed since it was made.
        quantity: what was measured.
        setting: under which setting.
        present: with what the entry describes: ``mean``, ``low``, ``high``, ``count``.
        absent: the same without it.
        change: the difference of the two, paired by seed.
    """

    record: str
    stale: bool
    quantity: str
    setting: str
    present: Mapping[str, float]
    absent: Mapping[str, float]
    change: Mapping[str, float]


def errata_file() -> Path:
    """Where the list is: ``errata.yml`` of the clone."""
    return book_root() / "errata.yml"


def load(path: Path | None = None) -> dict[str, Any]:
    """Read and check the list.

    Args:
        path: of the file; ``errata.yml`` of the clone by default.

    Returns:
        ``codes``, ``areas``, ``introductions`` and ``errata`` as they stand in the file.

    Raises:
        ValueError: if it is not readable, departs from the schema, or refers to something that is
            not there; one line for each fault, with the entry's id and the field.
    """
    path = path or errata_file()
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise ValueError(f"{path.name}: expected a readable YAML file, got {error}") from None
    faults = list(schema_faults(content, "errata")) or list(_dangling(content, known_chapters()))
    if faults:
        listing = "\n  ".join(faults)
        raise ValueError(f"{path.name}: expected entries without faults, got\n  {listing}")
    return content


def known_chapters() -> set[str]:
    """Numbers of the chapters that exist or are planned (``planned`` in ``claims.yml``)."""
    return {name[:2] for name in chapters(notebooks_folder())} | set(claims.load().planned)


def effects(
    entry: Mapping[str, Any],
    load_record: Callable[[str], Mapping[str, Any] | None] = records.load,
) -> list[Effect]:
    """Return what records measured about an entry; empty as long as none has done so.

    Args:
        entry: of the list.
        load_record: gives a record by its name, None if there is none.

    Raises:
        ValueError: if a record's effect lacks a part.
    """
    found = []
    for reference in entry.get("measured", []):
        record = load_record(reference["record"]) or {}
        for effect in record.get("effects", []):
            if effect.get("subject") == reference["subject"]:
                found.append(_effect(effect, reference["record"], record.get("stale", False)))
    return found


def _effect(effect: Mapping[str, Any], name: str, stale: bool) -> Effect:
    try:
        sides = [
            {key: effect[side][key] for key in ("mean", "low", "high", "count")}
            for side in ("with", "without", "change")
        ]
        return Effect(name, stale, effect["quantity"], effect["setting"], *sides)
    except KeyError as error:
        raise ValueError(
            f"record {name}, effect {effect.get('subject')}: expected quantity, setting, and mean, "
            f"low, high, count with, without and of the change, got none for {error}"
        ) from None


def _dangling(content: Mapping[str, Any], known: Collection[str]) -> Iterator[str]:
    """What the schema cannot say: ids are unique, and keys lead somewhere."""
    entries = content["errata"]
    for name, count in Counter(entry["id"] for entry in entries).items():
        if count > 1:
            yield f"{name}, id: expected once, got {count} times"
    wanted = {"code": content["codes"], "area": content["areas"], "chapter": sorted(known)}
    for entry in entries:
        for field, keys in wanted.items():
            given = entry[field]
            if given not in keys:
                yield f"{entry['id']}, {field}: expected one of {', '.join(keys)}, got {given!r}"
        for part in set(entry.get("sum_of", [])) - {entry["id"] for entry in entries}:
            yield f"{entry['id']}, sum_of: expected ids of entries, got {part!r}"
    for area in set(content.get("introductions", {})) - set(content["areas"]):
        yield f"introductions, {area}: expected one of {', '.join(content['areas'])}"
    for field in ("code", "area"):
        for key in wanted[field]:
            if key not in {entry[field] for entry in entries}:
                yield f"{field}s, {key}: expected an entry of it, got none"
