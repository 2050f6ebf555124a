"""The directive `{status}`: when, on what and how long every chapter ran, and each record's age."""

import html

from docutils import nodes
from records_page import age, state
from sphinx.util.docutils import SphinxDirective

from unlearning.companion import record as records
from unlearning.companion.chapters import chapters, notebooks_folder
from unlearning.companion.listing import last_run, title


class Status(SphinxDirective):
    """`{status} chapters`, `{status} environment` or `{status} records`."""

    required_arguments = 1

    def run(self):
        parts = {"chapters": chapter_table, "environment": environments, "records": record_table}
        if self.arguments[0] not in parts:
            raise self.error(f"status: expected one of {', '.join(parts)}")
        return [nodes.raw("", parts[self.arguments[0]](), format="html")]


def table(head, rows):
    """An HTML table; the first cell heads its row, and on a phone each cell names its column."""
    top = "".join(f'<th scope="col">{name}</th>' for name in head)
    body = "".join(
        f'<tr><th scope="row">{first}</th>'
        + "".join(f'<td data-column="{n}">{c}</td>' for n, c in zip(head[1:], rest, strict=True))
        + "</tr>"
        for first, *rest in rows
    )
    return f'<table class="status"><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>'


def day(date):
    return f'<span class="date">{date}</span>'


def runs():
    folder = notebooks_folder()
    return [(n, p, last_run(n, folder)) for n, p in chapters(folder).items()]


def chapter_table():
    rows = []
    for name, path, run in runs():
        link = f'<a href="notebooks/{name}.html">{int(name[:2])} · {html.escape(title(path))}</a>'
        slowest = max(run["cells"], default=0)
        rows.append(
            (link, f"{run['seconds']:.0f} s", f"{slowest:.0f} s", day(run["date"]),
             f"<code>{html.escape(run['commit'])}</code>")
        )  # fmt: skip
    return table(("chapter", "run time", "slowest cell", "run on", "commit"), rows)


def environments():
    """What the chapters ran on; one line, unless they ran on different things."""
    found = {}
    for name, _, run in runs():
        where = run["environment"]
        versions = ", ".join(f"{n} {v}" for n, v in where["versions"].items())
        threads = f"{where['threads'] or 'default'} thread(s)"
        text = (
            f"{where['processor']}, {where['machine']}, {where['cores']} cores, {threads} for each "
            f"chapter; Python {where['python']}, {versions}"
        )
        found.setdefault(text, []).append(str(int(name[:2])))
    one = len(found) == 1
    lines = (
        f"<li>{'' if one else 'chapters ' + ', '.join(numbers) + ': '}{html.escape(text)}</li>"
        for text, numbers in found.items()
    )
    return f"<ul>{''.join(lines)}</ul>"


def record_table():
    rows = [
        (
            f'<a href="records.html#record-{name}">{name}</a>',
            day(record["date"]) + age(record),
            f"{record['seconds']:.0f} s",
            ", ".join(f"<code>{html.escape(one)}</code>" for one in record["commit"].split(", ")),
            state(record),
        )
        for name, record in records.load_all().items()
    ]
    return table(("record", "made", "took", "commit", "state"), rows)


def setup(app):
    app.add_directive("status", Status)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
