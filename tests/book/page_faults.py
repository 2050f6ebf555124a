"""What no page may do: state a verdict that the records do not, or hide that a record is stale.

Verdicts come onto pages through `show.verdict`, `{verdict}` and the scorecard, which mark them with
`data-claim`. So the words of a verdict anywhere else in the text are a fault, too.
"""

import re

from bs4 import BeautifulSoup

# "not testable here" and the like are said of other things, too; these words are kept for verdicts.
WORDS = re.compile(
    r"\b(?:not |partly )?reproduced\b|\bleft open\b|\bnot yet examined\b|\bnot testable here\b",
    re.I,
)
NOT_TEXT = ["script", "style", "pre", "code", "nav", "button"]


def faults(html, verdicts, records):
    """Lists the faults of a page.

    Args:
        html: of the page.
        verdicts: by claim, as `verdicts.all_verdicts` gives them.
        records: by name, as `record.load_all` gives them.
    """
    whole = BeautifulSoup(html, "html.parser")
    article = whole.find("article") or whole
    stated = article.select("[data-claim]")
    return [
        *(fault for element in stated for fault in _wrong_state(element, verdicts)),
        *_hidden_staleness(article, stated, verdicts, records),
        *_words_elsewhere(article),
    ]


def _wrong_state(element, verdicts):
    name, shown = element["data-claim"], element.get_text(strip=True)
    if name not in verdicts:
        yield f"{name}: there is no such claim"
    elif {element["data-state"], shown} != {verdicts[name].state}:
        yield f"{name}: the page says {shown!r}, the records say {verdicts[name].state!r}"


def _hidden_staleness(article, stated, verdicts, records):
    """A verdict from a stale record must be followed by the word, and so must a link to it."""
    warned = {n for e in article.select(".stale[data-record]") for n in e["data-record"].split()}
    text = article.get_text(" ")
    for element in stated:
        found = verdicts.get(element["data-claim"])
        near = element.find_next_sibling(class_="stale")
        for name in found.stale if found else ():
            if near is None or name not in near["data-record"].split():
                yield f"{found.claim.id}: its record {name} is stale, and the page hides it"
    for name, record in records.items():
        drawn = article.select(f'.provenance a[href$="#record-{name}"]')
        if record["stale"] and drawn and name not in warned and "STALE" not in text:
            yield f"record {name}: it is stale, and the page that draws from it hides it"
        if not record["stale"] and name in warned:
            yield f"record {name}: it is fresh, and the page says otherwise"


def _words_elsewhere(article):
    for element in article.select(", ".join([*NOT_TEXT, "[data-claim]", ".states-legend"])):
        element.decompose()
    for text in article.find_all(string=WORDS):
        yield f"a verdict outside the records: {' '.join(text.split())[:80]!r}"
