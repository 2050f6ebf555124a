"""BibTeX on "Cite this": parsed by a BibTeX library, and compared with what it was made of."""

import importlib
import json

import pytest
import yaml
from pybtex.database import parse_file, parse_string
from pybtex.richtext import Text

from tests.book.site import HTML, ROOT
from unlearning.companion.chapters import chapters, notebooks_folder, read_chapter

ADDRESS = "https://example.org/a_b/c"
RECORD = {
    "chapter": "09_verification",
    "date": "2026-01-02",
    "commit": "0123abc",
    "source_hash": "fedc",
}


@pytest.fixture
def cite_page(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "book" / "_ext"))
    return importlib.import_module("cite_page")


@pytest.fixture
def citation():
    return yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


@pytest.fixture
def edition(cite_page, citation):
    return cite_page.Edition(citation, ADDRESS, "main", "abc1234")


def parsed(entry):
    """The one entry in a text, by BibTeX's own rules."""
    (found,) = parse_string(entry.bibtex, "bibtex").entries.values()
    return found


def printed(text):
    """What TeX prints for a field."""
    return Text.from_latex(text).render_as("text").replace("{", "").replace("}", "")


def test_book_entry_says_what_citation_cff_says(cite_page, edition, citation):
    entry = parsed(cite_page.book_entry(edition))
    assert printed(entry.fields["title"]) == citation["title"]
    (author,) = entry.persons["author"]
    assert printed(str(author)) == citation["authors"][0]["name"]
    assert entry.fields["year"] == citation["date-released"][:4]
    for part in (citation["version"], citation["date-released"], "abc1234"):
        assert str(part) in entry.fields["note"]


def test_place_of_the_doi_is_kept_and_filled(cite_page, edition, citation):
    without = cite_page.book_entry(edition).bibtex
    assert without.startswith("% No DOI yet")
    assert "doi" not in parsed_fields(without)
    citation["doi"] = "10.5555/12345678"
    given = cite_page.book_entry(cite_page.Edition(citation, ADDRESS, "main")).bibtex
    assert "No DOI" not in given
    assert parsed_fields(given)["doi"] == "10.5555/12345678"


def parsed_fields(text):
    (found,) = parse_string(text, "bibtex").entries.values()
    return found.fields


@pytest.mark.parametrize(
    "title",
    [
        "100% of R&D_budgets: #1, a~tilde",
        'Größe – and «quotes» of "Erdős"',
        "What, @misc again?",
    ],
)
def test_titles_with_special_characters_survive(cite_page, edition, title):
    fields = parsed(cite_page.chapter_entry(edition, "07_x", title)).fields
    assert printed(fields["title"]) == title
    assert fields["title"][0] == "{", "capitals are kept"
    assert fields["chapter"] == "7"
    assert fields["url"] == f"{ADDRESS}/blob/abc1234/notebooks/07_x.md"


def test_braces_and_backslashes_cannot_break_an_entry(cite_page, edition):
    entry = parsed(cite_page.chapter_entry(edition, "07_x", r"a } and \ and ^ {{ $5"))
    assert entry.fields["title"] == (
        r"{a \textbraceright{} and \textbackslash{} and \textasciicircum{}"
        r" \textbraceleft{}\textbraceleft{} \$5}"
    )
    assert entry.fields["chapter"] == "7"


def test_people_are_family_names_first(cite_page, citation):
    people = [{"family-names": "van der Berg", "given-names": "A."}, {"name": "The B & C group"}]
    edition = cite_page.Edition(citation | {"authors": people}, ADDRESS, "main")
    first, second = parsed(cite_page.book_entry(edition)).persons["author"]
    assert (first.prelast_names, first.last_names) == (["van", "der"], ["Berg"])
    assert printed(str(second)) == "The B & C group"


@pytest.mark.parametrize(
    ("commit", "note", "place"),
    [("abc1234+", "commit abc1234 with uncommitted changes", "abc1234"), ("", "", "main")],
)
def test_changes_and_an_unknown_commit_are_said(cite_page, citation, commit, note, place):
    edition = cite_page.Edition(citation, ADDRESS, "main", commit)
    assert edition.note.endswith(note)
    assert ("commit" in edition.note) == bool(note)
    assert edition.link("x") == f"{ADDRESS}/blob/{place}/x"


def test_record_entry_identifies_the_run(cite_page, edition):
    fields = parsed(cite_page.record_entry(edition, "some-run", RECORD)).fields
    assert fields["year"] == "2026"
    assert "chapter 9" in fields["howpublished"]
    assert all(part in fields["note"] for part in ("2026-01-02", "0123abc", "fedc"))
    assert fields["url"].endswith("/results/some-run.json")


def test_file_that_is_no_record_is_refused(cite_page, edition):
    incomplete = {key: value for key, value in RECORD.items() if key != "commit"}
    with pytest.raises(ValueError, match=r"results/some-run.json.*lacks.*commit"):
        cite_page.record_entry(edition, "some-run", incomplete)


@pytest.mark.browser
def test_built_file_has_the_book_every_chapter_and_record_and_both_papers():
    bibliography = parse_file(str(HTML / "cite.bib"), "bibtex").entries
    titles = {key: printed(entry.fields["title"]) for key, entry in bibliography.items()}
    for name, path in chapters(notebooks_folder()).items():
        heading = next(c.source for c in read_chapter(path).cells if c.source.startswith("# "))
        assert titles.pop(f"unlearning-companion-{name[:2]}") == heading[2:].splitlines()[0]
    for path in (ROOT / "results").glob("*.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        note = bibliography[f"unlearning-companion-{path.stem}"].fields["note"]
        assert all(part in note for part in (record["commit"], record["source_hash"]))
        titles.pop(f"unlearning-companion-{path.stem}")
    assert set(titles) == {"unlearning-companion", "Qiao2025", "Malekmohammadi2025"}


@pytest.mark.browser
def test_built_page_shows_every_entry_of_the_file():
    page = (HTML / "cite.html").read_text(encoding="utf-8")
    bibliography = parse_file(str(HTML / "cite.bib"), "bibtex").entries
    assert page.count("highlight-bibtex") == len(bibliography)
    assert all(key in page for key in bibliography)
