"""The page "Cite this": BibTeX that always names the right version, date, commit and title.

`{cite-this} PART` shows the entries of one part: `book`, `chapters`, `records` or `papers`.
Version and date come from CITATION.cff, the commit from UNLEARNING_COMMIT (as at the foot of a
chapter), titles from the pages, records from results/*.json, papers from references.bib. All
entries together are written to cite.bib beside the page.
"""

import html
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from chapter_pages import is_chapter
from docutils import nodes
from docutils.parsers.rst import directives
from edition import ROOT, citation, repository
from pybtex.database import parse_file
from sphinx.util.docutils import SphinxDirective

from unlearning.companion import record as records

KEY = "unlearning-companion"
PAPERS = ("Qiao2025", "Malekmohammadi2025")
NO_DOI = "% No DOI yet; this line will hold it.\n"
# Braces by name: BibTeX counts them even where a backslash stands before.
SPECIAL = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "{": r"\textbraceleft{}",
        "}": r"\textbraceright{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
    }
    | {sign: f"\\{sign}" for sign in "&%$#_"}
)


class Entry(NamedTuple):
    """One BibTeX entry, the line that it is folded under (empty: not folded), and its anchor."""

    summary: str
    bibtex: str
    anchor: str = ""


@dataclass(frozen=True)
class Edition:
    """What is cited: the content of CITATION.cff, and where the book was built from.

    `commit` is as `git describe --dirty=+` gives it; empty where it is not known.
    """

    citation: dict
    address: str
    branch: str
    commit: str = ""

    @property
    def title(self) -> str:
        return protect(self.citation["title"])

    @property
    def authors(self) -> str:
        return " and ".join(author_name(author) for author in self.citation["authors"])

    @property
    def year(self) -> str:
        return str(self.citation["date-released"])[:4]

    @property
    def note(self) -> str:
        name, changed = self.commit.rstrip("+"), self.commit.endswith("+")
        version = f"Version {self.citation['version']} of {self.citation['date-released']}"
        commit = f", commit {name}" if name else ""
        return escape(version + commit + (" with uncommitted changes" if changed else ""))

    def link(self, path: str) -> str:
        """The file at the commit of this build, which later changes do not touch."""
        return f"{self.address}/blob/{self.commit.rstrip('+') or self.branch}/{path}"


def escape(text: str) -> str:
    """Writes plain text so that TeX prints it as it stands."""
    return text.translate(SPECIAL)


def protect(title: str) -> str:
    """Escapes a title and keeps bibliography styles from changing its capitals."""
    return f"{{{escape(title)}}}"


def author_name(author: dict) -> str:
    """One author of CITATION.cff; a group's name is kept in one piece."""
    if "name" in author:
        return protect(author["name"])
    return f"{escape(author['family-names'])}, {escape(author['given-names'])}"


def bibtex(kind: str, key: str, **fields: str) -> str:
    """One entry; the values are TeX already, and empty ones are left out."""
    width = max(len(name) for name in fields)
    lines = [f"  {name:{width}} = {{{value}}}," for name, value in fields.items() if value]
    return "\n".join([f"@{kind}{{{key},", *lines, "}"])


def book_entry(edition: Edition) -> Entry:
    doi = str(edition.citation.get("doi", ""))
    entry = bibtex(
        "misc",
        KEY,
        author=edition.authors,
        title=edition.title,
        year=edition.year,
        note=edition.note,
        doi=doi,
        url=edition.address,
    )
    return Entry("", entry if doi else NO_DOI + entry)


def chapter_entry(edition: Edition, name: str, title: str) -> Entry:
    """A chapter, `name` being that of its file (`03_affine_recursion`)."""
    number = int(name[:2])
    entry = bibtex(
        "incollection",
        f"{KEY}-{name[:2]}",
        author=edition.authors,
        title=protect(title),
        booktitle=edition.title,
        chapter=str(number),
        year=edition.year,
        note=edition.note,
        url=edition.link(f"notebooks/{name}.md"),
    )
    return Entry(f"{number} · {title}", entry, f"cite-{name}")


def record_entry(edition: Edition, name: str, record: dict) -> Entry:
    """A recorded run, `name` being that of its file without the ending.

    Raises:
        ValueError: If the record lacks what identifies it.
    """
    missing = {"chapter", "date", "commit", "source_hash"} - record.keys()
    if missing:
        raise ValueError(f"results/{name}.json: expected a record, but it lacks {sorted(missing)}")
    made = f"Recorded {record['date']} at commit {record['commit']}"
    entry = bibtex(
        "misc",
        f"{KEY}-{name}",
        author=edition.authors,
        title=protect(f"Recorded run {name}"),
        howpublished=f"Record of chapter {int(record['chapter'][:2])} of {edition.title}",
        year=str(record["date"])[:4],
        note=escape(f"{made}, source hash {record['source_hash']}"),
        url=edition.link(f"results/{name}.json"),
    )
    stale = ", STALE: changed since" if record.get("stale") else ""
    return Entry(f"{name}, recorded {record['date']}{stale}", entry, f"cite-{name}")


def paper_entry(bibliography, key: str) -> Entry:
    """One of the two papers, as references.bib has it."""
    paper = bibliography.entries[key]
    author = " and ".join(map(str, paper.persons["author"]))
    fields = {name: value for name, value in paper.fields.items() if name != "title"}
    return Entry("", bibtex(paper.type, key, author=author, title=f"{{{paper.fields['title']}}}",
                            **fields))  # fmt: skip


def read_edition(app) -> Edition:
    address, branch = repository(app)
    return Edition(citation(), address, branch, os.environ.get("UNLEARNING_COMMIT", ""))


def book_entries(app) -> Iterator[Entry]:
    yield book_entry(read_edition(app))


def chapter_entries(app) -> Iterator[Entry]:
    edition, titles = read_edition(app), app.env.titles
    for page in sorted(filter(is_chapter, app.env.found_docs)):
        yield chapter_entry(edition, Path(page).name, titles[page].astext())


def record_entries(app) -> Iterator[Entry]:
    edition = read_edition(app)
    for name, record in records.load_all().items():
        yield record_entry(edition, name, record)


def paper_entries(app) -> Iterator[Entry]:
    bibliography = parse_file(str(ROOT / "book" / "references.bib"), "bibtex")
    return (paper_entry(bibliography, key) for key in PAPERS)


PARTS = {
    "book": book_entries,
    "chapters": chapter_entries,
    "records": record_entries,
    "papers": paper_entries,
}


class cite_this(nodes.General, nodes.Element):
    """Stands where the entries of one part will be, once all pages are read."""


class CiteThis(SphinxDirective):
    """`{cite-this} PART`."""

    required_arguments = 1

    def run(self):
        part = directives.choice(self.arguments[0], tuple(PARTS))
        return [cite_this(part=part)]


def shown(entry: Entry) -> list[nodes.Node]:
    block = nodes.literal_block(entry.bibtex, entry.bibtex, language="bibtex")
    if not entry.summary:
        return [block]
    summary = html.escape(entry.summary)
    fold = f'<details class="cite-entry" id="{entry.anchor}"><summary>{summary}</summary>'
    return [nodes.raw("", fold, format="html"), block, nodes.raw("", "</details>", format="html")]


def show_entries(app, doctree, pagename):
    for place in list(doctree.findall(cite_this)):
        entries = list(PARTS[place["part"]](app))
        found = [node for entry in entries for node in shown(entry)]
        place.replace_self(found or [nodes.paragraph(text="There is none yet.")])


def write_file(app, exception):
    if exception is None and "cite" in app.env.found_docs and app.builder.format == "html":
        entries = [entry.bibtex for make in PARTS.values() for entry in make(app)]
        text = "\n\n".join(entries) + "\n"
        (Path(app.outdir) / "cite.bib").write_text(text, encoding="utf-8")


def setup(app):
    app.add_node(cite_this)
    app.add_directive("cite-this", CiteThis)
    app.connect("doctree-resolved", show_entries)
    app.connect("build-finished", write_file)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
