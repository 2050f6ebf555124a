"""Where the chapters are, and how one of them is read.

A chapter is a text notebook, `notebooks/NN_topic.md` (Jupytext, MyST format, no outputs).
"""

import re
from pathlib import Path

import nbformat

CHAPTER_NAME = re.compile(r"(\d\d)_\w+")
CHECKOUT = Path(__file__).resolve().parents[3]
CARRIED = Path(__file__).resolve().parent / "_book"


def book_root() -> Path:
    """Returns the folder that holds `notebooks/`, `results/` and `claims.yml`.

    It is the checkout that the package lies in, also when the installation is editable; for any
    other installation it is the copy that the package carries, made by setup.py. The current
    folder is never looked at: a `notebooks/` there may be anything, and another version's chapters
    would run against this library.

    Raises:
        ValueError: If there is neither, that is, if the package was put together without setup.py.
    """
    for root in (CHECKOUT, CARRIED):
        if (root / "notebooks").is_dir() and (root == CARRIED or (root / "_config.yml").is_file()):
            return root
    raise ValueError(
        f"notebooks: expected them in the checkout {CHECKOUT} or carried in {CARRIED}, found "
        "neither; install the package with pip, or work in a clone of the repository"
    )


def is_carried(root: Path) -> bool:
    """Tells whether `root` is the package's own copy, in which nothing may be written."""
    return root == CARRIED


def notebooks_folder() -> Path:
    """Returns the folder of the chapters.

    Raises:
        ValueError: If there is none.
    """
    return book_root() / "notebooks"


def find_parameter_file(path: Path) -> Path:
    """Returns `path` as seen from here, or else the file of that name beside the notebooks.

    So `-f notebooks/parameters/NAME.yml`, as pages print it, works in any folder, and so does the
    bare NAME.yml.
    """
    places = (path, book_root() / path, notebooks_folder() / "parameters" / path)
    return next((place for place in places if place.is_file()), path)


def chapters(folder: Path) -> dict[str, Path]:
    """Returns the chapters in `folder` by name (`03_affine_recursion`), in reading order."""
    paths = sorted(folder.glob("*.md"))
    return {path.stem: path for path in paths if CHAPTER_NAME.fullmatch(path.stem)}


def find_chapter(wanted: str, folder: Path) -> Path:
    """Returns the chapter that `wanted` means.

    Args:
        wanted: A number (`9` or `09`), a name (`09_verification`), or the path of a text notebook.
        folder: Where the chapters are.

    Raises:
        ValueError: If no chapter is meant; the message lists those that exist.
    """
    known = chapters(folder)
    if wanted.endswith(".md") and Path(wanted).is_file():
        return Path(wanted)
    number = f"{int(wanted):02d}" if wanted.isdecimal() else None
    for name, path in known.items():
        if wanted == name or number == name[:2]:
            return path
    listing = "\n  ".join(known) or "(none)"
    raise ValueError(
        f"notebook: expected a chapter's number or name, got {wanted!r}; known:\n  {listing}"
    )


def read_chapter(path: Path) -> nbformat.NotebookNode:
    """Reads a text notebook, giving its cells ids that are the same at every reading."""
    import jupytext  # slow to import, and not needed for --help

    notebook = jupytext.read(path)
    for position, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{position:03d}"
    # It only says which Jupytext wrote the text file; the executed notebook stands alone.
    notebook.metadata.pop("jupytext", None)
    return notebook
