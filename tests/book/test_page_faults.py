"""No page says more than its records: the built pages, and faults planted to be caught."""

import re
from dataclasses import replace

import pytest

from tests.book.page_faults import faults
from tests.book.site import HTML, pages
from unlearning.companion import record as records
from unlearning.companion import show
from unlearning.companion.verdicts import PARTLY, REPRODUCED, all_verdicts

KEPT = records.load_all()
VERDICTS = all_verdicts(KEPT)
# As if the records said "partly", whatever they say today.
CLAIM = replace(next(v for v in VERDICTS.values() if v.decided), state=PARTLY)
SAID = VERDICTS | {CLAIM.claim.id: CLAIM}
NAME = CLAIM.records[0]


def page(body):
    return f"<html><body><nav>reproduced</nav><article>{body}</article></body></html>"


@pytest.mark.browser
@pytest.mark.parametrize("path", pages() or ["index.html"])
def test_no_page_says_more_than_its_records(path):
    assert faults((HTML / path).read_text(encoding="utf-8"), VERDICTS, KEPT) == []


def test_what_records_say_may_be_said():
    assert faults(page(show.badge(CLAIM)), SAID, KEPT) == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (show.badge(replace(CLAIM, state=REPRODUCED)), "the records say 'partly reproduced'"),
        (show.badge(CLAIM).replace(">partly reproduced<", ">reproduced<"), "the page says 'repr"),
        ("<p>Figure 1 is <b>reproduced</b>.</p>", "outside the records: 'reproduced'"),
        ("<p>It was partly reproduced.</p>", "outside the records"),
        (show.badge(CLAIM).replace(CLAIM.claim.id, "hfocu-figure-99"), "no such claim"),
    ],
)
def test_an_overstated_verdict_is_caught(body, message):
    found = faults(page(body), SAID, KEPT)
    assert len(found) == 1
    assert message in found[0]


STALE = {name: record | {"stale": ["base/checks.py"]} for name, record in KEPT.items()}


def test_a_stale_record_must_be_shown():
    now_stale = all_verdicts(STALE)
    fresh = VERDICTS[CLAIM.claim.id]
    assert now_stale[CLAIM.claim.id].stale == CLAIM.records
    assert faults(page(show.badge(now_stale[CLAIM.claim.id])), now_stale, STALE) == []
    found = faults(page(show.badge(fresh)), now_stale, STALE)
    assert found == [f"{CLAIM.claim.id}: its record {NAME} is stale, and the page hides it"]


def test_a_figure_from_a_stale_record_must_say_so():
    drawn = f'<p class="provenance"><a href="../records.html#record-{NAME}">{NAME}</a></p>'
    assert faults(page(drawn), all_verdicts(STALE), STALE) != []
    told = drawn + f"<p>{records.describe(STALE[NAME])}</p>"
    assert faults(page(told), all_verdicts(STALE), STALE) == []


def test_a_fresh_record_is_not_called_stale():
    body = f'<span class="stale" data-record="{NAME}">STALE</span>'
    assert "it is fresh" in faults(page(body), VERDICTS, KEPT)[0]


@pytest.mark.browser
def test_every_page_speaks_of_claims_in_marked_words():
    """The scorecard states every verdict; so the marks are there to be checked."""
    html = (HTML / "scorecard.html").read_text(encoding="utf-8")
    assert set(re.findall(r'data-claim="([^"]+)"', html)) == set(VERDICTS)
