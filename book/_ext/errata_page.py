"""The directive `{errata} paper` (or `peer`): the errata of that code, grouped by area.

Each entry is a section of its own, `erratum-ID`, so that a chapter or a reply can link to it. What
was measured about it is drawn from the records; see `unlearning.companion.errata`.
"""

import itertools
import re
from collections import Counter

from docutils import nodes
from docutils.parsers.rst import Directive
from edition import repository
from sphinx import addnodes

from unlearning.companion import errata

GITHUB = "https://github.com"
TEMPLATE = "errata-reply.yml"
PARTS = {
    "Expected": "says",
    "The code": "does",
    "Effect": "effect",
    "Inferred": "inferred",
}
PLURALS = {
    "departure from the paper": "departures from the paper",
    "departure from practice": "departures from practice",
    "defect": "defects",
    "undocumented choice": "undocumented choices",
}


class Errata(Directive):
    """Renders the entries whose code has the given role."""

    required_arguments = 1

    def run(self):
        environment = self.state.document.settings.env
        path = errata.errata_file()
        environment.note_dependency(str(path))
        content = errata.load(path)
        roles = {code["role"] for code in content["codes"].values()}
        if self.arguments[0] not in roles:
            raise self.error(
                f"errata: expected one of {', '.join(sorted(roles))}, got {self.arguments[0]!r}"
            )
        entries = [
            entry
            for entry in content["errata"]
            if content["codes"][entry["code"]]["role"] == self.arguments[0]
        ]
        groups = [
            self.group(area, [e for e in entries if e["area"] == area], content)
            for area in content["areas"]
            if any(e["area"] == area for e in entries)
        ]
        return [nodes.paragraph(text=summary(entries)), *groups]

    def group(self, area, entries, content):
        title = content["areas"][area]
        name = f"errata-{self.arguments[0]}-{nodes.make_id(title)}"
        section = self.section(name, title)
        if area in content.get("introductions", {}):
            section += nodes.paragraph(text=content["introductions"][area])
        section += [self.entry(entry, content["codes"][entry["code"]]) for entry in entries]
        return section

    def section(self, name, title):
        section = nodes.section("", nodes.title(title, title), names=[name])
        self.state.document.note_explicit_target(section)
        return section

    def entry(self, entry, code):
        section = self.section(f"erratum-{entry['id']}", entry["title"])
        section["classes"].append("erratum")
        environment = self.state.document.settings.env
        section += head(entry, code, environment)
        section += parts(entry, environment)
        return section


def summary(entries):
    """How many there are of each kind; what adds up others is not counted again."""
    counts = Counter(entry["kind"] for entry in entries if "sum_of" not in entry)
    listed = ", ".join(
        f"{counts[kind]} {kind if counts[kind] == 1 else plural}"
        for kind, plural in PLURALS.items()
        if counts[kind]
    )
    sums = len(entries) - counts.total()
    beside = f" Beside them, {sums} that adds up entries listed here." if sums else ""
    noun = "entry" if counts.total() == 1 else "entries"
    return f"{counts.total()} {noun}: {listed}.{beside}"


def head(entry, code, environment):
    """One line: kind, code at its commit, files, chapter, and where to reply."""
    url, _ = repository(environment.app)
    tree = f"{GITHUB}/{code['repository']}/tree/{code['commit']}"
    reply = f"{url}/issues/new?template={TEMPLATE}&erratum={entry['id']}"
    items = [
        [nodes.inline("", entry["kind"], classes=["erratum-kind"])],
        [link(f"{code['name']} at {code['commit']}", tree)],
        place(entry["place"], code),
        chapter(entry["chapter"], environment),
        [link("reply", reply)],
    ]
    paragraph = nodes.paragraph(classes=["erratum-head"])
    for position, item in enumerate(items):
        paragraph += [nodes.Text(" · ")] * bool(position) + item
    return paragraph


def parts(entry, environment):
    """What is said, what is done, what that changes, as a definition list."""
    found = nodes.definition_list(classes=["erratum-parts"])
    for term, field in PARTS.items():
        if field in entry:
            body = [nodes.paragraph("", entry[field])]
            if field == "says":
                source = f"According to {entry['according_to']}."
                body.append(nodes.paragraph("", source, classes=["erratum-source"]))
            found += part(term, *body)
    found += part("Measured", *measured(entry, environment))
    if entry["switch"]:
        found += part("Repeated by", nodes.paragraph("", "", nodes.literal(text=entry["switch"])))
    if "reply" in entry:
        reply = entry["reply"]
        author = f" by {reply['by']}" if "by" in reply else ""
        found += part(f"Reply{author}, {reply['date']}", nodes.paragraph("", reply["text"]))
    return found


def part(term, *body):
    definition = nodes.definition("", *body)
    return nodes.definition_list_item("", nodes.term(term, term), definition)


def measured(entry, environment):
    """For each quantity in a record a sentence, and below it a line for each setting."""
    found = errata.effects(entry)
    if not found:
        return [nodes.paragraph("", "not measured here yet")]
    shown = []
    for _, group in itertools.groupby(found, key=lambda effect: (effect.record, effect.quantity)):
        effects = list(group)
        lines = [nodes.list_item("", nodes.paragraph("", setting(e))) for e in effects]
        shown += [sentence(effects[0], environment), nodes.bullet_list("", *lines)]
    return shown


def setting(effect):
    both = f"{interval(effect.present)} with it, {interval(effect.absent)} without"
    return f"{effect.setting}: {both}; difference {interval(effect.change)}"


def sentence(effect, environment):
    seeds = effect.present["count"]
    text = (
        f"{effect.quantity}, mean and 95% interval over {seeds} seeds (differences are paired by "
        "seed), from the record "
    )
    name = nodes.literal(text=effect.record)
    if "records" in environment.found_docs:
        name = link("", f"records.html#record-{effect.record}", name)
    parts = [nodes.Text(text), name, nodes.Text(":")]
    if effect.stale:
        mark = f' <span class="stale" data-record="{effect.record}">STALE</span>'
        parts.append(nodes.raw("", mark, format="html"))
    return nodes.paragraph("", "", *parts)


def interval(side):
    return f"{side['mean']:.3g} [{side['low']:.3g}, {side['high']:.3g}]"


def place(text, code):
    """Paths as links to the file, with commas between; what is no path stays as it is."""
    found = []
    for name in text.split(", "):
        found += [nodes.Text(", ")] * bool(found)
        found += path(name, code) if re.fullmatch(r"\S*[./]\S*", name) else [nodes.Text(name)]
    return found


def path(name, code):
    """A link to a file at the code's commit, or at the one where its path is known, then named."""
    commit = code["commit"]
    for other, names in code.get("elsewhere", {}).items():
        if name in names:
            commit = other
    view = "tree" if name.endswith("/") else "blob"
    address = f"{GITHUB}/{code['repository']}/{view}/{commit}/{name}"
    named = [nodes.Text(f" at {commit}")] * (commit != code["commit"])
    return [link("", address, nodes.literal(text=name)), *named]


def chapter(number, environment):
    """A link to a chapter; its number alone as long as it is being written."""
    label = f"chapter {int(number)}"
    pages = [d for d in environment.found_docs if d.startswith(f"notebooks/{number}_")]
    if not pages:
        return [nodes.Text(f"{label}, being written")]
    reference = addnodes.pending_xref(
        "",
        nodes.inline("", label),
        refdomain="std",
        reftype="doc",
        reftarget=f"/{pages[0]}",
        refexplicit=True,
        refwarn=True,
        refdoc=environment.docname,
    )
    return [reference]


def link(text, address, *children):
    children = children or (nodes.Text(text),)
    return nodes.reference("", "", *children, refuri=address, internal=False)


def define_reply_link(app, config):
    url, _ = repository(app)
    config.extlinks["new-issue"] = (f"{url}/issues/new?template=%s", "%s")


def setup(app):
    app.setup_extension("chapter_pages")
    app.connect("config-inited", define_reply_link, priority=100)
    app.add_directive("errata", Errata)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
