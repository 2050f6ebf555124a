"""One bundle of everything: sources, executed notebooks, pages, records, environment, checksums.

    python -m unlearning.companion.archive [--dirty] [--check-tree]

The same tree and build give the same bytes: names are sorted, modes are normal, and every time is
that of the commit (or SOURCE_DATE_EPOCH).
"""

import argparse
import hashlib
import io
import os
import platform
import re
import stat
import subprocess
import sys
import time
import tomllib
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from importlib.metadata import distributions
from pathlib import Path
from typing import NamedTuple

from unlearning.base.revision import (
    FILE,
    Revision,
    changed_files,
    git,
    is_clone,
    known_files,
    revision,
)
from unlearning.companion.chapters import chapters

# A file here that git does not know would be in the pages, but not in the sources.
BUILT_FROM = ("book", "notebooks", "results", "src")
NOT_PAGES = {".buildinfo"}  # a cache key of Sphinx
TEXTS = {".html", ".ipynb", ".js", ".json", ".txt", ".csv", ".md"}
README = Path(__file__).with_name("archive_readme.txt")


class Refused(Exception):
    """The tree cannot be archived as it is; the text says why, and what to do."""


class Member(NamedTuple):
    """What one file of the bundle holds, and whether it can be run."""

    data: bytes
    executable: bool = False


def read(path: Path) -> Member:
    """Reads a file; of its mode only the owner's executable bit is kept."""
    return Member(path.read_bytes(), bool(path.stat().st_mode & stat.S_IXUSR))


def zip_bytes(members: Mapping[str, Member], top: str, seconds: int) -> bytes:
    """Returns a zip archive with all members and their SHA256SUMS below one top folder.

    Args:
        members: Content by name, `html/index.html` say.
        top: Name of the top folder.
        seconds: The time of every file, in seconds since 1970.
    """
    sums = "".join(
        f"{hashlib.sha256(member.data).hexdigest()}  {name}\n"
        for name, member in sorted(members.items())
    )
    everything = {**members, "SHA256SUMS": Member(sums.encode())}
    # The format of a zip begins in 1980 and counts in steps of two seconds.
    when = max(time.gmtime(seconds)[:6], (1980, 1, 1, 0, 0, 0))
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, member in sorted(everything.items()):
            entry = zipfile.ZipInfo(f"{top}/{name}", when)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, wherever it is made: else the modes are not read
            entry.external_attr = (stat.S_IFREG | (0o755 if member.executable else 0o644)) << 16
            archive.writestr(entry, member.data)
    return written.getvalue()


def unknown_files(root: Path) -> list[str]:
    """Returns the files that the book is built from and that git neither knows nor ignores."""
    if not is_clone(root):
        return []
    found = git(root, "ls-files", "-z", "--others", "--exclude-standard", "--", *BUILT_FROM)
    return [name for name in found.split("\0") if name]


def check_tree(root: Path, *, dirty: bool) -> Revision:
    """Returns what will be archived.

    Args:
        root: The top of a clone, or the sources of an archive.
        dirty: Whether a tree that differs from its commit will do.

    Raises:
        Refused: If `root` is neither, or differs from its commit and `dirty` is false.
    """
    at = revision(root)
    if at is None:
        raise Refused(f"expected a git clone or the sources of an archive at {root}, found neither")
    unknown = unknown_files(root)
    if not (at.changed or unknown):
        return at
    if not dirty:
        differing = changed_files(root) + unknown
        raise Refused(
            f"these differ from commit {at.commit[:12]}:\n  " + "\n  ".join(differing) + "\n"
            "commit them, or archive them as they are with `make archive DIRTY=1`"
        )
    return replace(at, changed=True)


def sources(root: Path, at: Revision) -> dict[str, Member]:
    """Returns the files of the commit, as they are in the tree, and the file COMMIT."""
    names = known_files(root) + (unknown_files(root) if at.changed else [])
    found = {name: read(root / name) for name in names if (root / name).is_file()}
    digests = {name: hashlib.sha256(member.data).hexdigest() for name, member in found.items()}
    return {**found, FILE: Member(at.to_text(digests).encode())}


def build(root: Path) -> dict[str, Member]:
    """Returns what `make book` made: executed chapters and pages.

    Raises:
        Refused: If a chapter has not been executed, or has no page.
    """
    found = {}
    for name in chapters(root / "notebooks"):
        executed = root / "book" / "notebooks" / f"{name}.ipynb"
        page = root / "_build" / "html" / "notebooks" / f"{name}.html"
        if not executed.is_file() or not page.is_file():
            raise Refused(f"{name} is not in the built book; run `make book`")
        found[f"executed/{name}.ipynb"] = read(executed)
    return found | _below(root / "_build" / "html", "html")


def _below(folder: Path, name: str) -> dict[str, Member]:
    files = (f for f in folder.rglob("*") if f.is_file() and f.name not in NOT_PAGES)
    return {f"{name}/{file.relative_to(folder).as_posix()}": read(file) for file in files}


def environment(root: Path) -> dict[str, Member]:
    """Returns the pinned versions, those installed here, and the system they ran on."""
    installed = {d.metadata["Name"].lower(): d.version for d in distributions()}
    texts = {
        "installed.txt": "".join(f"{name}=={v}\n" for name, v in sorted(installed.items())),
        "system.txt": f"Python {platform.python_version()} ({platform.python_implementation()})\n"
        f"{platform.platform()}\n",
    }
    found = {f"environment/{name}": Member(text.encode()) for name, text in texts.items()}
    for name in ("constraints.txt", "environment.yml"):
        found[f"environment/{name}"] = read(root / name)
    return found


def machine_paths(members: Mapping[str, Member], paths: Iterable[str]) -> list[str]:
    """Returns the members with a text that names one of these paths of this machine."""
    # Not after a word: the path of an address, https://host/root, is none of this machine.
    known = "|".join(re.escape(path) for path in sorted(set(paths)))
    pattern = re.compile(rf"(?<![\w.])(?:{known})(?![\w.-])")
    return [
        f"{name}: {found.group()}"
        for name, member in sorted(members.items())
        if Path(name).suffix in TEXTS
        and (found := pattern.search(member.data.decode("utf-8", "replace")))
    ]


def collect(root: Path, at: Revision) -> dict[str, Member]:
    """Returns everything that the bundle holds but SHA256SUMS, by name.

    Raises:
        Refused: If the book is not built, or names a folder of this machine.
    """
    built = build(root)
    private = {str(root), str(Path.home()), sys.prefix} - {"/"}
    telling = machine_paths(built, private)
    if telling:
        raise Refused("the built book names folders of this machine:\n  " + "\n  ".join(telling))
    readme = README.read_text(encoding="utf-8").format(commit=at, date=at.date)
    return {
        "README.txt": Member(readme.encode()),
        **{f"source/{name}": member for name, member in sources(root, at).items()},
        **built,
        **_below(root / "results", "records"),
        **environment(root),
    }


def make_archive(root: Path, *, dirty: bool = False) -> Path:
    """Writes `_build/unlearning-companion-VERSION.zip`, whole or not at all; returns its path.

    Raises:
        Refused: If the tree differs from its commit and `dirty` is false, or the book is not built.
    """
    at = check_tree(root, dirty=dirty)
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    top = f"{project['name']}-{project['version']}" + ("+changes" if at.changed else "")
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH") or at.seconds)
    data = zip_bytes(collect(root, at), top, seconds)
    target = root / "_build" / f"{top}.zip"
    part = target.with_suffix(".part")
    part.write_bytes(data)
    os.replace(part, target)
    return target


def main() -> int:
    """Makes the bundle, as the Makefile asks for it."""
    parser = argparse.ArgumentParser(description="Make the archive of the built book.")
    parser.add_argument("--dirty", action="store_true", help="also if the tree has changes")
    parser.add_argument("--check-tree", action="store_true", help="only see whether it may be made")
    arguments = parser.parse_args()
    try:
        if arguments.check_tree:
            check_tree(Path.cwd(), dirty=arguments.dirty)
            return 0
        target = make_archive(Path.cwd(), dirty=arguments.dirty)
    except (Refused, subprocess.CalledProcessError) as error:
        print(f"archive: {error}", file=sys.stderr)
        return 2
    size = target.stat().st_size / 1e6
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    print(f"wrote {target} ({size:.1f} MB)\nsha256 {digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
