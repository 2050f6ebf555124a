"""Whether the links of a built site lead anywhere: to its own files, and into the repository."""

import re
from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup

MAIN = "main"
COMMIT = r"[0-9a-f]{7,40}"


class Repository(NamedTuple):
    """The repository that pages link to, and the tree that it will show."""

    address: str
    root: Path
    files: Collection[str]


class Page:
    """One page of a site: where its links lead, and what they may point at."""

    def __init__(self, path: Path):
        self.path = path

    @cached_property
    def _soup(self):
        return BeautifulSoup(self.path.read_bytes(), "html.parser")

    @cached_property
    def links(self) -> list[str]:
        found = [
            tag[name] for name in ("href", "src") for tag in self._soup.find_all(**{name: True})
        ]
        return sorted(set(found))

    @cached_property
    def anchors(self) -> set[str]:
        named = {tag["name"] for tag in self._soup.find_all("a", attrs={"name": True})}
        return named | {tag["id"] for tag in self._soup.find_all(id=True)}


def broken_links(site: Path, repository: Repository) -> list[str]:
    """Returns each link that leads nowhere, as `page: link: what is wrong`.

    Links to other hosts are not followed.
    """
    # Below _static are templates of the theme, which no reader opens.
    paths = [p for p in sorted(site.rglob("*.html")) if "_static" not in p.relative_to(site).parts]
    pages = {path.resolve(): Page(path) for path in paths}
    return [
        f"{page.path.relative_to(site)}: {link}: {wrong}"
        for page in pages.values()
        for link in page.links
        if (wrong := _what_is_wrong(link, page, pages, repository))
    ]


def _what_is_wrong(link, page, pages, repository) -> str:
    if link.startswith(repository.address + "/"):
        return _wrong_in_repository(link.removeprefix(repository.address + "/"), repository)
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return ""
    if parts.path.startswith("/"):
        return "begins at the root, which is elsewhere on a disk"
    target = (
        (page.path.parent / unquote(parts.path)).resolve() if parts.path else page.path.resolve()
    )
    if not target.is_file():
        return "no such file"
    fragment = unquote(parts.fragment)
    if fragment and target in pages and fragment not in pages[target].anchors:
        return f"no id {fragment!r} there"
    return ""


def _wrong_in_repository(rest: str, repository: Repository) -> str:
    found = re.match(r"(blob|edit|raw|tree)/([^/]+)/([^?#]*)(?:\?[^#]*)?(?:#(.*))?$", rest)
    if not found:
        return ""  # its front page, its issues
    kind, ref, path, fragment = found.groups()
    path = unquote(path).rstrip("/")
    if ref != MAIN and not re.fullmatch(COMMIT, ref):
        return f"neither the branch {MAIN} nor a commit"
    if kind == "tree":
        inside = any(name.startswith(f"{path}/") for name in repository.files)
        return "" if inside or not path else "no such folder in the repository"
    if path not in repository.files:
        return "no such file in the repository"
    return _wrong_lines(fragment or "", repository.root / path) if ref == MAIN else ""


def _wrong_lines(fragment: str, file: Path) -> str:
    found = re.fullmatch(r"L(\d+)(?:-L(\d+))?", fragment)
    if not found:
        return ""
    first, last = int(found[1]), int(found[2] or found[1])
    length = len(file.read_text(encoding="utf-8").splitlines())
    return "" if 1 <= first <= last <= length else f"the file has {length} lines"
