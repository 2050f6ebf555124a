"""Checking the lists claims.yml and errata.yml against their schemas."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator


def schema_faults(content: Any, name: str) -> Iterator[str]:
    """What departs from a schema: one line each, with the entry's id, the field and the fault.

    Args:
        content: of the YAML file.
        name: ``claims`` or ``errata``: of the schema beside this file, and of the list in it.
    """
    text = Path(__file__).with_name(f"{name}.schema.json").read_text(encoding="utf-8")
    faults = Draft202012Validator(json.loads(text)).iter_errors(content)
    for fault in sorted(faults, key=lambda fault: list(map(str, fault.absolute_path))):
        yield f"{_where(content, list(fault.absolute_path), name)}: {fault.message}"


def _where(content: Any, path: list[str | int], entries: str) -> str:
    """Say an entry's id in place of its position."""
    if len(path) < 2 or path[0] != entries:
        return ", ".join(map(str, path)) or "the file"
    entry = content[entries][path[1]]
    name = entry.get("id") if isinstance(entry, dict) else None
    return ", ".join([str(name or f"entry {path[1] + 1}"), *map(str, path[2:])])
