"""The commit that a tree of sources is at. Without PyTorch, so that the build can ask, too."""

import datetime
import hashlib
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

#: Stands at the top of a tree that was unpacked from `make archive` and has no .git.
FILE = "COMMIT"


@dataclass(frozen=True)
class Revision:
    """A commit, when it was made (seconds since 1970), and whether tracked files differ from it."""

    commit: str
    seconds: int
    changed: bool

    def __str__(self) -> str:
        """Twelve digits, always, as the shortest unique form differs from clone to clone."""
        return self.commit[:12] + ("+changes" if self.changed else "")

    @property
    def date(self) -> str:
        """The date of the commit, in UTC, as ``2026-11-20T21:54:39Z``."""
        made = datetime.datetime.fromtimestamp(self.seconds, datetime.UTC)
        return made.strftime("%Y-%m-%dT%H:%M:%SZ")

    def to_text(self, digests: Mapping[str, str]) -> str:
        """What the file COMMIT says: the commit, and the SHA-256 of each of its files."""
        changes = "yes" if self.changed else "no"
        files = "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
        return f"commit: {self.commit}\ndate: {self.date}\nchanges: {changes}\n\n{files}"


def revision(root: Path, *, outputs: tuple[str, ...] = ()) -> Revision | None:
    """Return what ``root`` is at: as git says, else as its file COMMIT says, else None.

    Changes below the folders ``outputs``, each with its final slash, do not count.

    Git is asked only about a clone whose top is ``root``: a tree unpacked inside another clone is
    not at that clone's commit.

    Raises:
        ValueError: if the file COMMIT is not one that an archive holds.
    """
    if is_clone(root):
        return _from_git(root, outputs)
    return _from_file(root, outputs) if (root / FILE).is_file() else None


def is_clone(root: Path) -> bool:
    """Whether ``root`` is the top of a git clone (or of a further working tree of one)."""
    return (root / ".git").exists()


def _from_git(root: Path, outputs: tuple[str, ...]) -> Revision | None:
    try:
        commit, seconds = git(root, "show", "-s", "--format=%H %ct", "HEAD").split()
        return Revision(commit, int(seconds), _differs(root, outputs))
    except (OSError, subprocess.CalledProcessError):
        return None


def _from_file(root: Path, outputs: tuple[str, ...]) -> Revision:
    text = (root / FILE).read_text(encoding="utf-8")
    said = dict(line.split(": ", 1) for line in text.split("\n\n")[0].splitlines())
    try:
        made = datetime.datetime.strptime(said["date"], "%Y-%m-%dT%H:%M:%S%z")
        changed = said["changes"] == "yes" or _differs(root, outputs)
        return Revision(said["commit"], int(made.timestamp()), changed)
    except (KeyError, ValueError):
        raise ValueError(
            f"{FILE}: expected the lines commit, date and changes, got {text[:200]!r}"
        ) from None


def _differs(root: Path, outputs: tuple[str, ...]) -> bool:
    return any(not name.startswith(outputs) for name in changed_files(root))


def known_files(root: Path) -> list[str]:
    """Return the files that belong to the commit of ``root``, as paths below it."""
    if is_clone(root):
        return [name for name in git(root, "ls-files", "-z").split("\0") if name]
    return sorted(_digests(root))


def changed_files(root: Path) -> list[str]:
    """Return those of the known files that differ from the commit, or are gone."""
    if is_clone(root):
        return git(root, "diff", "--name-only", "HEAD").splitlines()
    return [name for name, known in _digests(root).items() if _digest(root / name) != known]


def _digests(root: Path) -> dict[str, str]:
    text = (root / FILE).read_text(encoding="utf-8")
    return {name: digest for digest, name in re.findall(r"^([0-9a-f]{64})  (.+)$", text, re.M)}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""


def git(root: Path, *arguments: str) -> str:
    """Return what a git command prints about the clone ``root``.

    Raises:
        subprocess.CalledProcessError: if git refuses.
        OSError: if there is no git.
    """
    command = ["git", "-C", str(root), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
