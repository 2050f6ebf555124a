"""The directives of the scorecard: `{scorecard}` (a paper's claims, one line each) and `{states}`.

They are made from claims.yml and the records when the book is built; nothing is written by hand.
"""

import html
from collections import Counter
from pathlib import Path

from docutils import nodes
from sphinx.util.docutils import SphinxDirective
from verdict_roles import all_verdicts

from unlearning.companion import claims, show, verdicts
from unlearning.companion.chapters import chapters, notebooks_folder

SCRIPT = Path(__file__).with_name("scorecard.js")
SOURCES = {
    "T": "title page, abstract, table of contents or public summary",
    "P": "the prior work it builds on",
    "C": "the released code",
    "R": "public peer reviews",
}


class Scorecard(SphinxDirective):
    """`{scorecard} PAPER`: a paper's claims; `{scorecard} filters`: the buttons above them."""

    required_arguments = 1

    def run(self):
        for path in ("claims.yml", *sorted(Path("results").glob("*.json"))):
            self.env.note_dependency(str(Path(path).absolute()))
        known, found = claims.load(), list(all_verdicts().values())
        if self.arguments[0] == "filters":
            text = filters(found, known)
        elif self.arguments[0] in known.papers:
            mine = [v for v in found if v.claim.paper == self.arguments[0]]
            text = "".join(claim_line(v, known) for v in mine)
        else:
            raise self.error(f"scorecard: expected 'filters' or a paper, got {self.arguments[0]!r}")
        return [nodes.raw("", text, format="html")]


def filters(found, known):
    """Two rows of buttons with counts; shown by the script, since they do nothing without it."""
    papers = Counter(v.claim.paper for v in found)
    states = Counter(v.state for v in found)
    rows = [
        ("paper", [(name, known.papers[name]["short"], papers[name]) for name in known.papers]),
        ("state", [(s, s, states[s]) for s in verdicts.STATES]),
    ]
    text = "".join(filter_row(kind, choices, len(found)) for kind, choices in rows)
    count = '<p class="count" role="status"></p>'
    script = f"<script type='module'>{SCRIPT.read_text(encoding='utf-8')}</script>"
    return f'<div class="filters" hidden>{text}{count}</div>{script}'


def filter_row(kind, choices, total):
    buttons = "".join(
        f'<button type="button" data-{kind}="{value}" aria-pressed="{pressed}">'
        f"{html.escape(text)} <small>{count}</small></button>"
        for value, text, count, pressed in [
            ("", "all", total, "true"),
            *((*choice, "false") for choice in choices),
        ]
    )
    label = {"paper": "Paper", "state": "Verdict"}[kind]
    return f'<div role="group" aria-label="Filter by {label.lower()}">{label} {buttons}</div>'


def claim_line(v, known):
    claim = v.claim
    words = "" if claim.statement == claims.NOT_AT_HAND else claim.statement
    summary = (
        f"<span>{show.badge(v)}</span> <span class='line'>"
        f"<span class='place'>{html.escape(claim.place)}</span> "
        f"<span class='words'>{html.escape(words)}</span></span>"
    )
    rows = "".join(f"<dt>{term}</dt><dd>{text}</dd>" for term, text in details(v, known) if text)
    return (
        f'<details class="claim-line" id="score-{claim.id}" data-paper="{claim.paper}" '
        f'data-state="{v.state}"><summary>{summary}</summary><dl>{rows}</dl></details>'
    )


def details(v, known):
    """What unfolds below a line: terms with HTML."""
    claim = v.claim
    yield "Claim", html.escape(claim.statement)
    yield "Note", html.escape(claim.note)
    yield "Known from", html.escape(", ".join(SOURCES[s] for s in claim.source))
    yield "Confirmed if", html.escape(claim.confirms)
    yield "Refuted if", html.escape(claim.refutes)
    yield "Measured", show.measurements(v)
    yield "Cell", cell_link(v, known)
    yield "Record", record_links(v)
    yield "Command", commands(claim, known)
    yield "Id", f"<code>{claim.id}</code>"


def cell_link(v, known):
    names = [name for name in chapters(notebooks_folder()) if name[:2] == v.claim.chapter]
    if not names:
        title = known.planned[v.claim.chapter]
        return f"chapter {int(v.claim.chapter)}, {html.escape(title)}, is being written"
    anchor = f"#claim-{v.claim.id}" if v.decided else ""
    text = "to come in" if v.state == verdicts.NOT_EXAMINED else "its subject in"
    text = "its verdict in" if v.decided else text
    number = int(v.claim.chapter)
    return f'<a href="notebooks/{names[0]}.html{anchor}">{text} chapter {number}</a>'


def record_links(v):
    links = (f'<a href="records.html#record-{name}">{name}</a>' for name in v.records)
    return ", ".join(links)


def commands(claim, known):
    names = dict.fromkeys(criterion.protocol for criterion in claim.criteria)
    return "<br>".join(f"<code>{known.protocols[name].command}</code>" for name in names)


class States(SphinxDirective):
    """The legend: what each verdict means."""

    def run(self):
        rows = "".join(
            f'<dt><span class="verdict {state.replace(" ", "-")}">{state}</span></dt>'
            f"<dd>{html.escape(meaning)}</dd>"
            for state, meaning in verdicts.STATES.items()
        )
        return [nodes.raw("", f'<dl class="states-legend">{rows}</dl>', format="html")]


def setup(app):
    app.add_directive("scorecard", Scorecard)
    app.add_directive("states", States)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
