"""What `unlearning list` prints: the chapters, or the parameters of one of them."""

import json
import textwrap
from pathlib import Path

from unlearning.companion.chapters import chapters, read_chapter
from unlearning.companion.parameters import declared_parameters, type_name
from unlearning.companion.recording import parameter_files

WIDTH = 100


def last_run(name: str, folder: Path) -> dict | None:
    """When and how long the book's build ran a chapter last; None if it never did here.

    Args:
        name: of the chapter.
        folder: of the chapters.
    """
    path = folder.parent / "_build" / "timings" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def title(path: Path) -> str:
    """The first heading of a text notebook."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return next((line[2:] for line in lines if line.startswith("# ")), path.stem)


def list_all(folder: Path) -> str:
    """One line a chapter: number, title, seconds and date of its last run."""
    lines = []
    for name, path in chapters(folder).items():
        run = last_run(name, folder)
        when = f"{run['seconds']:.0f} s on {run.get('date', '?')}" if run else "not run here yet"
        lines.append(f"{name[:2]}  {title(path):58}  {when}")
        lines += [f"      -f {file.name}" for file in parameter_files(path)]
    lines += ["", "unlearning list 09 shows the parameters of chapter 09."]
    lines += ["-f FILE runs one at the paper's scale (unlearning run, unlearning record)."]
    return "\n".join(lines)


def list_one(path: Path) -> str:
    """One chapter's parameters: default, type and meaning."""
    declared = declared_parameters(read_chapter(path))
    declared.pop("record", None)  # it is set by `unlearning record` alone
    declared = declared.values()
    assignments = [f"{item.name} = {item.default!r}" for item in declared]
    wide = min(max(map(len, assignments)), 40)
    lines = [title(path), ""]
    for item, assignment in zip(declared, assignments, strict=True):
        about = f"{type_name(item)}" + (f": {item.meaning}" if item.meaning else "")
        wrapped = textwrap.wrap(about, WIDTH - wide - 2) or [""]
        lines.append(f"{assignment:{wide}}  {wrapped[0]}")
        lines += [" " * (wide + 2) + rest for rest in wrapped[1:]]
    number = path.stem[:2]
    lines += ["", f"unlearning run {number} -p {declared_name(declared)}=VALUE runs it again."]
    return "\n".join(lines)


def declared_name(declared) -> str:
    """A parameter to show in an example."""
    names = [item.name for item in declared]
    return "step_size" if "step_size" in names else names[0]
