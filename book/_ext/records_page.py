"""The directive `{records}`: every record with its provenance, its verdicts and its files.

The files are copied to `records/` beside the pages: NAME.json is the record, NAME.csv its rows.
"""

import datetime
import html
import shutil
from pathlib import Path

import edition
import pandas as pd
from docutils import nodes
from sphinx.util.docutils import SphinxDirective
from verdict_roles import all_verdicts

from unlearning.companion import record as records
from unlearning.companion import show


class Records(SphinxDirective):
    def run(self):
        found = records.load_all()
        for name in found:
            self.env.note_dependency(str(Path(f"results/{name}.json").absolute()))
        return [self.section(record) for record in found.values()]

    def section(self, record):
        section = nodes.section(ids=[f"record-{record['name']}"])
        section += nodes.title("", record["name"])
        copy_files(self.env.app, record)
        rows = "".join(f"<dt>{term}</dt><dd>{text}</dd>" for term, text in details(record))
        section += nodes.raw("", f'<dl class="record-details">{rows}</dl>', format="html")
        return section


def details(record):
    """What is said about a record: terms with HTML."""
    where, chapter = record["environment"], record["chapter"]
    versions = ", ".join(f"{name} {number}" for name, number in where["versions"].items())
    yield "State", state(record)
    yield (
        "Chapter",
        f'<a href="notebooks/{chapter}.html">{int(chapter[:2])}, {title(chapter)}</a>',
    )
    yield "Made again by", f"<code>{records.command(record)}</code>"
    yield "Made", made(record)
    yield "Seeds", html.escape(", ".join(str(seed) for seed in record["parameters"]["seeds"]))
    yield "Took", f"{record['seconds']:.0f} s, {where['threads']} thread(s)"
    hardware = (where["gpu"] or where["processor"], where["machine"], where["instructions"])
    yield "Hardware", html.escape(", ".join(hardware))
    yield "Versions", html.escape(f"Python {where['python']}, {versions}")
    yield "Hashes", hashes(record)
    yield "Parameters", parameters(record)
    yield "Decides", decided(record) or "no claim"
    yield "Files", files(record)
    yield "Cite", f'<a href="cite.html#cite-{record["name"]}">BibTeX</a>'


def state(record):
    if not record["stale"]:
        return "fresh: its code, its parameters and its command are those of this version"
    reasons = html.escape(", ".join(record["stale"]))
    return f'<span class="stale" data-record="{record["name"]}">STALE</span> changed: {reasons}'


def title(chapter):
    from unlearning.companion.chapters import notebooks_folder
    from unlearning.companion.listing import title as heading

    return html.escape(heading(notebooks_folder() / f"{chapter}.md"))


def made(record):
    return f"{record['date']}{age(record)}, commit <code>{html.escape(record['commit'])}</code>"


def age(record):
    """How old the record was when this version of the book was committed."""
    if not edition.date():
        return ""
    built = datetime.date.fromisoformat(edition.date())
    days = (built - datetime.date.fromisoformat(record["date"])).days
    return f", {days} day{'' if days == 1 else 's'} before this version of the book"


def hashes(record):
    kinds = ("configuration_hash", "source_hash")
    return ", ".join(f"{kind.split('_')[0]} <code>{record[kind]}</code>" for kind in kinds)


def parameters(record):
    shown = (f"{name} = {value!r}" for name, value in record["parameters"].items())
    return "<br>".join(f"<code>{html.escape(text)}</code>" for text in shown)


def decided(record):
    mine = [v for v in all_verdicts().values() if record["name"] in v.records]
    return "<br>".join(
        f'{show.badge(v)} <a href="scorecard.html#score-{v.claim.id}">'
        f"{html.escape(v.claim.place)}</a>"
        for v in mine
    )


def files(record):
    kinds = (("json", "the whole record"), ("csv", f"its {len(record['values'])} rows"))
    links = (
        f'<a href="records/{record["name"]}.{kind}" download>{kind.upper()}</a> ({what})'
        for kind, what in kinds
    )
    return ", ".join(links)


def copy_files(app, record):
    folder = Path(app.outdir) / "records"
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(f"results/{record['name']}.json", folder / f"{record['name']}.json")
    pd.DataFrame(record["values"]).to_csv(folder / f"{record['name']}.csv", index=False)


def setup(app):
    app.add_directive("records", Records)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
