"""The page of errata: each entry once, with its links, and what a record or a reply adds."""

import re
import sys

import pytest
import yaml

from tests.book.site import HTML, ROOT, missing_for_browser
from unlearning.companion import errata

ENTRIES = errata.load()["errata"]
TEMPLATE = ROOT / ".github" / "ISSUE_TEMPLATE" / "errata-reply.yml"


@pytest.fixture(scope="module")
def html():
    path = HTML / "errata.html"
    if not path.is_file():
        pytest.fail(missing_for_browser() or "the page errata.html is missing")
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def extension():
    sys.path.insert(0, str(ROOT / "book" / "_ext"))
    import errata_page

    yield errata_page
    sys.path.remove(str(ROOT / "book" / "_ext"))


@pytest.mark.browser  # it needs the built book
def test_each_entry_stands_on_the_page_once(html):
    ids = re.findall(r'id="erratum-([\w-]+)"', html)
    assert sorted(ids) == sorted(entry["id"] for entry in ENTRIES)


@pytest.mark.browser
def test_each_entry_leads_to_the_code_and_to_a_reply(html):
    codes = errata.load()["codes"]
    sections = re.split(r'<section class="erratum" id="erratum-', html)[1:]
    assert len(sections) == len(ENTRIES)
    for entry in ENTRIES:
        (section,) = [s for s in sections if s.startswith(f'{entry["id"]}"')]
        code = codes[entry["code"]]
        assert f"github.com/{code['repository']}/tree/{code['commit']}" in section
        assert re.search(rf"template=errata-reply.yml&amp;erratum={entry['id']}\"", section)
        assert ("not measured here yet" in section) != ("from the record" in section)


def test_the_form_has_the_field_that_the_links_fill_in(extension):
    form = yaml.safe_load(TEMPLATE.read_text(encoding="utf-8"))
    fields = {part["id"] for part in form["body"] if "id" in part}
    assert TEMPLATE.name == extension.TEMPLATE
    assert {"erratum", "reply", "consent"} <= fields


class Environment:
    """What the rendering asks of Sphinx."""

    docname = "errata"

    def __init__(self, *docs):
        self.found_docs = set(docs)


EFFECT = errata.Effect(
    record="a-record",
    stale=True,
    quantity="distance to retrained",
    setting="m = 50",
    present={"mean": 0.06391, "low": 0.0512, "high": 0.07, "count": 7},
    absent={"mean": 0.0195, "low": 0.01, "high": 0.03, "count": 7},
    change={"mean": 0.0444, "low": 0.04, "high": 0.05, "count": 7},
)


def test_a_sum_is_not_counted_again(extension):
    entries = [{"kind": "defect"}, {"kind": "defect"}, {"kind": "defect", "sum_of": ["a", "b"]}]
    text = "2 entries: 2 defects. Beside them, 1 that adds up entries listed here."
    assert extension.summary(entries) == text
    assert extension.summary(entries[:1]) == "1 entry: 1 defect."


CODE = {"repository": "a/b", "commit": "1111111", "elsewhere": {"2222222": ["x/run.sh"]}}


@pytest.mark.parametrize(
    ("text", "said", "links"),
    [
        ("x/run.py, y/", "x/run.py, y/", ["blob/1111111/x/run.py", "tree/1111111/y/"]),
        ("x/run.sh", "x/run.sh at 2222222", ["blob/2222222/x/run.sh"]),
        ("its run (path not at hand)", "its run (path not at hand)", []),
    ],
)
def test_a_path_leads_to_the_file_at_the_commit_where_it_is_known(extension, text, said, links):
    found = extension.nodes.paragraph("", "", *extension.place(text, CODE))
    assert found.astext() == said
    addresses = [reference["refuri"] for reference in found.findall(extension.nodes.reference)]
    assert addresses == [f"https://github.com/a/b/{end}" for end in links]


@pytest.mark.browser
def test_an_introduction_stands_at_the_head_of_its_group(html):
    for text in errata.load()["introductions"].values():
        assert text in html


def test_a_measured_effect_says_both_values_seeds_record_and_staleness(extension, monkeypatch):
    monkeypatch.setattr(extension.errata, "effects", lambda entry: [EFFECT])
    node, lines = extension.measured({}, Environment("records"))
    assert node.astext().startswith(
        "distance to retrained, mean and 95% interval over 7 seeds (differences are paired by "
        "seed), from the record a-record:"
    )
    assert 'class="stale" data-record="a-record">STALE' in node.astext()
    assert lines.astext() == (
        "m = 50: 0.0639 [0.0512, 0.07] with it, 0.0195 [0.01, 0.03] without; difference "
        "0.0444 [0.04, 0.05]"
    )
    (reference,) = node.findall(extension.nodes.reference)
    assert reference["refuri"] == "records.html#record-a-record"


def test_without_the_page_of_records_there_is_no_link_to_it(extension):
    node = extension.sentence(EFFECT, Environment())
    assert not list(node.findall(extension.nodes.reference))


def test_a_reply_is_printed_with_its_date(extension):
    reply = {"text": "It is as you say.", "date": "2027-01-02", "by": "an author"}
    found = extension.parts({**ENTRIES[0], "measured": [], "reply": reply}, Environment())
    assert "Reply by an author, 2027-01-02" in found.astext()
    assert "It is as you say." in found.astext()
