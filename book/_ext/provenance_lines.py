"""Below each figure and table of a chapter: where it comes from, and its numbers.

A cell that shows something by `unlearning.companion.show` puts its numbers out along with it. They
are written to `data/CHAPTER/NAME.csv` beside the pages, and a line leads to them, to the cell's own
lines in the source at the commit of the build, to the parameters, and to the record, if it was
drawn from one.
"""

import html
import re
from pathlib import Path

import edition
import nbformat
from chapter_pages import is_chapter
from docutils import nodes

from unlearning.companion import record as records
from unlearning.companion.show import DATA

FENCE = re.compile(r"^```\{code-cell\}")


def code_lines(text):
    """Returns first and last line of each code cell of a text notebook, in order."""
    lines = text.splitlines()
    starts = [i for i, line in enumerate(lines, 1) if FENCE.match(line)]
    return [(start, lines.index("```", start) + 1) for start in starts]


def data_of(cell):
    """Returns what the cell shows with numbers, or None."""
    outputs = cell.get("outputs", [])
    found = [o["metadata"][DATA] for o in outputs if DATA in o.get("metadata", {})]
    return found[0] if found else None


def name_of(cell, data):
    """A table names itself; a figure has its name from its cell."""
    name = data["name"] or cell.metadata.get("mystnb", {}).get("figure", {}).get("name")
    if not name:
        raise ValueError("a figure with numbers: expected a name in its cell, got none")
    return name


def add_lines(app, doctree):
    page = app.env.docname
    if not is_chapter(page):
        return
    notebook = nbformat.read(app.env.doc2path(page), as_version=4)
    source = edition.ROOT / f"{page}.md"
    places = iter(code_lines(source.read_text(encoding="utf-8")))
    where = {i: next(places) for i, c in enumerate(notebook.cells) if c.cell_type == "code"}
    taken = set()
    for node in list(doctree.findall(nodes.container)):
        if node.get("nb_element") != "cell_code":
            continue
        cell = notebook.cells[node["cell_index"]]
        if "parameters" in cell.metadata.get("tags", []):
            node.insert(0, nodes.raw("", '<a id="parameters"></a>', format="html"))
        data = data_of(cell)
        if data is not None:
            name = name_of(cell, data)
            if name in taken:
                raise ValueError(f"{page}: expected each name once, got {name} twice")
            taken.add(name)
            write_csv(app, page, name, data["csv"])
            line = provenance(app, page, name, data["record"], where[node["cell_index"]])
            # Before the cell: its code must stay its first child, or it could not be folded.
            anchor = nodes.raw("", f'<a id="{name}-cell"></a>', format="html")
            node.parent.insert(node.parent.index(node), anchor)
            node.append(nodes.raw("", line, format="html"))


def write_csv(app, page, name, text):
    path = Path(app.outdir) / "data" / Path(page).name / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def provenance(app, page, name, record, lines):
    first, last = lines
    source = f"{edition.blob(app, f'{page}.md')}#L{first}-L{last}"
    at = f" at commit {html.escape(edition.commit_in_words())}" if edition.commit()[0] else ""
    lines = f'<a href="{source}">lines {first} to {last}</a>{at}'
    parts = [f'<a href="#{name}-cell">Cell above</a>, {lines}']
    if record.startswith("benchmarks/"):
        file = edition.blob(app, f"results/{record}.json")
        link = f'<a href="{file}">{html.escape(record)}.json</a>'
        parts.append(f"from {link}, measured by make bench")
    elif record:
        target = f"../records.html#record-{record}"
        made = html.escape(records.load(record)["commit"])
        parts.append(
            f'from the record <a href="{target}">{html.escape(record)}</a>, made at {made}'
        )
    else:
        parts.append('run of this page, <a href="#parameters">parameters</a>')
    file = f"../data/{Path(page).name}/{name}.csv"
    parts.append(f'<a href="{file}" download>CSV</a>')
    return f'<p class="provenance" id="{name}-source">{" · ".join(parts)}</p>'


def setup(app):
    app.connect("doctree-read", add_lines)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
