"""What a chapter shows, and what goes along with it."""

import math
import re

import pandas as pd
import pytest

from unlearning.companion import criteria, show, verdicts

FRAME = pd.DataFrame({"x": [1 / 3, 2.0], "name": ["a", "b"]}, index=["p", "q"])


def test_a_table_shows_rounded_numbers_and_carries_exact_ones():
    kinds, metadata = show.table("tab-x", FRAME, digits=2)._repr_mimebundle_()
    assert "0.33" in kinds["text/html"]
    assert "0.333" not in kinds["text/html"]
    data = metadata[show.DATA]
    assert data["name"] == "tab-x"
    assert data["csv"] == ",x,name\np,0.333333,a\nq,2,b\n"
    assert data["record"] == ""


def test_a_format_can_be_given_and_a_record_is_named():
    kinds, metadata = show.table("t", FRAME, digits=".0e", record={"name": "r"})._repr_mimebundle_()
    assert "3e-01" in kinds["text/plain"]
    assert metadata[show.DATA]["record"] == "r"


def test_places_without_a_number_stay_empty_and_small_numbers_show():
    frame = pd.DataFrame({"x": [math.nan, 0.0, 3.2e-5, -4e-4, 0.25]})
    kinds, metadata = show.table("t", frame, digits=3)._repr_mimebundle_()
    cells = re.findall("<td>(.*?)</td>", kinds["text/html"])
    assert cells == ["", "0.000", "3e-05", "-4e-04", "0.250"]
    assert "3.2e-05" in metadata[show.DATA]["csv"]


def test_a_figure_is_a_picture_with_its_numbers_and_is_closed():
    import matplotlib.pyplot as plt

    fig, _ = plt.subplots()
    kinds, metadata = show.figure(fig, FRAME)._repr_mimebundle_()
    assert kinds["image/png"].startswith("iVBOR")  # PNG, in base 64
    assert "0.333333" in metadata[show.DATA]["csv"]
    assert not plt.fignum_exists(fig.number)


@pytest.fixture
def found():
    return criteria.finding(
        "hfocu-figure-1a-distance", "share", {1: 0.4, 2: 0.5}, convention="R1", mode="as_released"
    )


def test_findings_of_a_page_use_no_word_of_a_verdict(found):
    kinds, _ = show.findings([found])._repr_mimebundle_()
    assert "as released" in kinds["text/html"]
    assert "as released): holds here" in kinds["text/html"]
    assert not [state for state in verdicts.STATES if state in kinds["text/html"]]


def test_a_verdict_says_which_claim_it_is_about():
    kinds, _ = show.verdict("hfocu-lemma-3")._repr_mimebundle_()
    assert 'id="claim-hfocu-lemma-3"' in kinds["text/html"]
    assert 'data-claim="hfocu-lemma-3" data-state="statement not at hand"' in kinds["text/html"]
    assert kinds["text/plain"] == "Lemma 3: statement not at hand"


def test_what_does_not_decide_is_called_so_and_folded():
    claim = "hfocu-figure-1a-loss-changes"
    text = show.measurements(verdicts.verdict(claim))
    before, _, after = text.partition("our additions that do not decide</summary>")
    assert "Pearson" in before
    assert before.count('<details class="beside">') == 1
    assert "slope" in after
    assert "Pearson" not in after
    assert after.rstrip().endswith("</details>")


def test_a_stale_record_shows():
    from dataclasses import replace

    found = replace(verdicts.verdict("hfocu-lemma-3"), stale=("some-record",))
    assert 'class="stale" data-record="some-record">STALE' in show.badge(found)
