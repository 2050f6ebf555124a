"""The glossary says where a term is introduced, and the chapters lead to it."""

import re

import pytest

import unlearning as ul
from tests.book.site import ROOT
from unlearning.companion.chapters import chapters, notebooks_folder, read_chapter

GLOSSARY = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8")
CHAPTERS = chapters(notebooks_folder())
COMING = "## Terms of the chapters to come"
TERM_LINK = re.compile(r"\{term\}`(?:[^`<]*<)?([^`>]+)>?`")
each_chapter = pytest.mark.parametrize("name", CHAPTERS)


def plain(text):
    """Text as it is searched in: lower case, spaces in place of line breaks and hyphens."""
    return re.sub(r"[\s-]+", " ", text).lower()


def entries(text):
    """The definitions in `text` by their terms; terms that share one stand in a tuple."""
    found = {}
    for block in re.findall(r"```\{glossary\}\n(.*?)```", text, flags=re.DOTALL):
        for entry in re.split(r"\n\n(?=\S)", block.strip("\n")):
            lines = entry.splitlines()
            terms = tuple(line for line in lines if not line.startswith(" "))
            assert terms not in found, f"{terms} is defined twice"
            found[terms] = "\n".join(line for line in lines if line.startswith(" "))
    return found


def linked(name):
    """The targets of a chapter's links to the glossary, in order."""
    cells = [c.source for c in read_chapter(CHAPTERS[name]).cells if c.cell_type == "markdown"]
    return [" ".join(target.split()) for target in TERM_LINK.findall("\n".join(cells))]


@each_chapter
def test_chapter_leads_to_the_glossary_at_first_uses_only(name):
    targets = linked(name)
    assert 3 <= len(targets) <= 12, "link terms by {term}`...`, about ten a chapter at most"
    assert len(targets) == len(set(targets)), "a term is linked at its first use only"


@each_chapter
def test_links_stand_in_prose_not_in_headings_or_code(name):
    for cell in read_chapter(CHAPTERS[name]).cells:
        headings = re.findall(r"^#.*", cell.source, flags=re.MULTILINE)
        searched = cell.source if cell.cell_type == "code" else "\n".join(headings)
        assert "{term}" not in searched


def test_definitions_name_a_page_that_uses_the_term():
    established = entries(GLOSSARY.partition(COMING)[0])
    assert len(established) > 30
    for terms, definition in established.items():
        places = re.findall(r"\{doc\}`(?:[^<`]*<)?([^`>]+)>?`\.$", definition)
        assert len(places) == 1, f"{terms}: expected a link to one page at the end"
        source = places[0] if places[0].startswith("notebooks/") else f"book/{places[0]}"
        page = plain((ROOT / f"{source}.md").read_text(encoding="utf-8"))
        words = [term.removesuffix(" model") for term in terms]
        assert any(plain(word) in page for word in words), f"{terms}: not in {source}"


def test_chapter_numbers_fit_their_links():
    pairs = re.findall(r"\{doc\}`Chapter (\d+) <notebooks/(\d\d)_\w+>`", GLOSSARY)
    assert pairs
    assert all(int(number) == int(name) for number, name in pairs)


def notation_names():
    """The library's names in the last column of the table of letters."""
    rows = re.findall(r"^\| \$.*\|(.*)\|$", GLOSSARY, flags=re.MULTILINE)
    assert len(rows) > 20
    return sorted({name for row in rows for name in re.findall(r"`([^`]+)`", row)})


@pytest.mark.parametrize("name", notation_names())
def test_notation_names_what_the_library_has(name):
    homes = {"run": ul.Run, "schedule": ul.Schedule, "objective": ul.Objective,
             "approximators": ul.Approximators, "repaired": ul.Repaired, "ul": ul}  # fmt: skip
    owner, _, attribute = name.removesuffix("[t]").partition(".")
    if name == "len(run)":
        assert hasattr(ul.Run, "__len__")
    elif attribute:
        home = homes[owner]
        instance = vars(ul.Objective(_tiny())) if home is ul.Objective else {}
        known = {*dir(home), *getattr(home, "__dataclass_fields__", {}), *instance}
        assert attribute in known
    else:
        declared = "\n".join(path.read_text(encoding="utf-8") for path in CHAPTERS.values())
        assert re.search(rf"^{name} = ", declared, flags=re.MULTILINE), "no such parameter"


def _tiny():
    import torch

    return torch.nn.Linear(1, 2)
