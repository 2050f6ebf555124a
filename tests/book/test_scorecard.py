"""A reader on the scorecard: from a line to the cell that says so, to the record, to its files."""

import csv
import json
from pathlib import Path
from urllib.parse import unquote, urlparse

import pandas as pd
import pytest

from tests.book.browsing import PHONE, open_page
from tests.book.site import HTML
from unlearning.companion import claims
from unlearning.companion import record as records
from unlearning.companion.verdicts import all_verdicts

pytestmark = pytest.mark.browser

VERDICTS = all_verdicts()
DECIDED = [name for name, v in VERDICTS.items() if v.decided]


@pytest.fixture
def card(browser):
    page = open_page(browser, (HTML / "scorecard.html").as_uri())
    yield page
    page.context.close()


def shown(page):
    return page.locator(".claim-line:visible")


def file_of(page):
    return Path(unquote(urlparse(page.url).path))


def follow(page, link):
    """Follows a link and returns the element that its address names."""
    link.click()
    page.wait_for_load_state()
    target = page.locator(f"[id='{urlparse(page.url).fragment}']")
    assert target.count() == 1, page.url
    return target


def test_there_is_one_line_for_each_claim(card):
    assert shown(card).count() == len(claims.load().claims)
    assert card.complaints == []


def test_filters_by_paper_and_by_state(card):
    card.get_by_role("button", name="SAPS").click()
    mine = [v for v in VERDICTS.values() if v.claim.paper == "saps"]
    assert shown(card).count() == len(mine)
    assert card.get_by_role("heading", name="HF-OCU").is_hidden()
    card.get_by_role("button", name="statement not at hand").click()
    both = [v for v in mine if v.state == "statement not at hand"]
    assert shown(card).count() == len(both)
    assert card.locator(".count").inner_text() == f"{len(both)} of {len(VERDICTS)} claims"
    for group in ("paper", "verdict"):
        card.get_by_role("group", name=f"Filter by {group}").get_by_text("all").click()
    assert shown(card).count() == len(VERDICTS)


@pytest.mark.parametrize("name", DECIDED)
def test_a_line_leads_to_its_cell_its_record_and_its_command(browser, name):
    found = VERDICTS[name]
    card = open_page(browser, f"{(HTML / 'scorecard.html').as_uri()}#score-{name}")
    line = card.locator(f"#score-{name}")
    assert line.evaluate("e => e.open")
    for f in found.findings:
        assert f"{f['mean']:.3g}" in line.inner_text()
    protocol = claims.load().protocols[found.claim.criteria[0].protocol]
    assert protocol.command in line.inner_text()

    row = follow(card, line.get_by_text("its verdict in chapter"))
    assert found.state in row.inner_text()
    card.go_back()
    section = follow(card, line.get_by_role("link", name=found.records[0], exact=True))
    state = "STALE" if records.load(found.records[0])["stale"] else "fresh"
    assert state in section.inner_text()
    assert records.load(found.records[0])["source_hash"] in section.inner_text()
    file = section.get_by_role("link", name="JSON").get_attribute("href")
    kept = json.loads((file_of(card).parent / file).read_text(encoding="utf-8"))
    assert kept["findings"]
    file = section.get_by_role("link", name="CSV").get_attribute("href")
    assert len(pd.read_csv(file_of(card).parent / file)) == len(kept["values"])
    assert card.complaints == []
    card.context.close()


def test_a_chapter_is_to_come_only_for_what_is_not_examined(card):
    for name in set(VERDICTS) - set(DECIDED):
        said = card.locator(f"#score-{name}").text_content()
        assert ("to come in" in said) == (VERDICTS[name].state == "not yet examined"), name


def test_a_verdict_in_a_chapter_leads_to_its_line(browser):
    chapter = open_page(browser, (HTML / "notebooks" / "09_verification.html").as_uri())
    line = follow(chapter, chapter.locator("a.verdict-link").first)
    assert line.evaluate("e => e.open")
    chapter.context.close()


def test_a_line_fits_a_phone(card):
    card.set_viewport_size(PHONE)
    card.locator(".claim-line").nth(1).locator("summary").click()
    assert card.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


CHAPTERS = sorted(path.stem for path in (HTML / "notebooks").glob("*.html")) or ["none"]


@pytest.mark.parametrize("stem", CHAPTERS)
def test_every_figure_and_table_has_its_source_and_its_numbers(browser, stem):
    chapter = open_page(browser, (HTML / "notebooks" / f"{stem}.html").as_uri())
    for kind in ("figure:has(img)", ".cell_output table.dataframe"):
        for shown_there in chapter.locator(f"div.cell:has({kind})").all():
            line = shown_there.locator("p.provenance")
            assert line.count() == 1, shown_there.inner_text()
            assert f"blob/{commit()}/notebooks/{stem}.md#L" in line.inner_html()
            # By its text: in a cell that is folded away, the link has no role yet.
            file = line.locator("a", has_text="CSV").get_attribute("href")
            rows = list(csv.reader((HTML / "notebooks" / file).open(encoding="utf-8")))
            assert len(rows) > 1
            assert len({len(row) for row in rows}) == 1
    chapter.context.close()


def commit():
    """The commit that the book says it was built from; the tests may run on a later one."""
    text = (HTML / "index.html").read_text(encoding="utf-8")
    return text.split('class="edition"')[1].split("commit ")[1].split("<")[0].split()[0]
