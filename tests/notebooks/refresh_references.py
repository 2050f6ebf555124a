"""Refreshes tests/reference from the executed chapters and shows what changed."""

import difflib
import sys
from pathlib import Path

import nbformat

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.notebooks.references import (
    EXECUTED,
    NOTEBOOKS,
    REFERENCES,
    checked_text,
    read,
    reduce_to_reference,
)


def refresh(name):
    """Writes one reference; returns what changed in words."""
    target = REFERENCES / f"{name}.ipynb"
    before = target.read_text(encoding="utf-8") if target.is_file() else None
    old_lines = checked_text(read(target)) if before is not None else []
    new = reduce_to_reference(read(EXECUTED / f"{name}.ipynb"))
    nbformat.write(new, target)
    if before is None:
        return "new\n" + "\n".join(f"    {line}" for line in checked_text(new))
    if before == target.read_text(encoding="utf-8"):
        return "unchanged"
    difference = list(difflib.unified_diff(old_lines, checked_text(new), lineterm="", n=1))[2:]
    if not difference:
        return "text or code changed, checked outputs did not"
    return "changed\n" + "\n".join(f"    {line}" for line in difference)


def main():
    REFERENCES.mkdir(exist_ok=True)
    names = sorted(path.stem for path in NOTEBOOKS.glob("[0-9][0-9]_*.md"))
    for name in names:
        print(f"  {name}: {refresh(name)}")
    for path in REFERENCES.glob("*.ipynb"):
        if path.stem not in names:
            path.unlink()
            print(f"  {path.stem}: removed, its chapter is gone")


if __name__ == "__main__":
    main()
