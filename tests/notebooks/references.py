"""The executed references of the chapters: what stays in them, and where they lie."""

import nbformat

from tests.book.site import ROOT

NOTEBOOKS = ROOT / "notebooks"
EXECUTED = ROOT / "book" / "notebooks"
REFERENCES = ROOT / "tests" / "reference"
CHECKED = "nbval-check-output"


def is_checked(cell):
    return CHECKED in cell.metadata.get("tags", [])


def reduce_to_reference(notebook):
    """Drops, in place, what nbval does not compare: images, and what unchecked cells put out.

    Unchecked cells may print seconds; without them a refresh that changes nothing changes no byte.
    """
    notebook.metadata.pop("language_info", None)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            kept = [_without_images(o) for o in cell.outputs] if is_checked(cell) else []
            cell.outputs = [output for output in kept if output is not None]
    return notebook


def _without_images(output):
    if "data" not in output:
        return output
    for kind in list(output.data):
        if kind.startswith("image/") or "data:image" in str(output.data[kind]):
            del output.data[kind]
    # What is left of a figure is its repr, with its size in it; it says nothing.
    has_content = any(not str(text).startswith("<Figure") for text in output.data.values())
    return output if has_content else None


def checked_text(notebook):
    """Returns the lines that nbval compares, each checked cell under its number."""
    lines = []
    for position, cell in enumerate(notebook.cells):
        if cell.cell_type == "code" and is_checked(cell):
            lines.append(f"cell {position}:")
            for output in cell.outputs:
                text = output.get("text") or output.get("data", {}).get("text/plain", "")
                lines.extend(f"  {line}" for line in text.splitlines())
    return lines


def read(path):
    return nbformat.read(path, as_version=4)
