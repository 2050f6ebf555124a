"""What the theme gets wrong for chapters that are executed from text notebooks elsewhere.

- the edit link leads to notebooks/NN_topic.md, not to the generated .ipynb
- the foot of a chapter says what was run, at which commit, and how to run it again
- the foot of every page says version and date
- {repo}`path` links into the repository, whose address stands in _config.yml only
- sphinx-thebe's script, declared twice on every page and not used, is dropped
"""

import html
from pathlib import Path

import edition
from edition import repository

FOOT = """
<aside class="chapter-foot">
  <p>The source is <a href="{source_url}"><code>{source}</code></a>{commit}; it ran with the
  parameters shown above (<a href="../status.html">when and on what</a>). Run it again with your
  own:</p>
  <pre>unlearning run {number} -p NAME=VALUE</pre>
</aside>
"""


def define_repository_links(app, config):
    url, branch = repository(app)
    config.extlinks["repo"] = (f"{url}/blob/{branch}/%s", "%s")


def is_chapter(pagename):
    return pagename.startswith("notebooks/")


def mend_edit_link(app, pagename, context):
    url, branch = repository(app)
    edit = f"{url}/edit/{branch}/{pagename}.md"
    for button in context.get("header_buttons", []):
        for item in [button, *button.get("buttons", [])]:
            if item.get("label") == "source-edit-button":
                item["url"] = edit


def add_foot(app, pagename, context):
    url, branch = repository(app)
    commit = edition.commit_in_words()
    context["body"] += FOOT.format(
        source=f"{pagename}.md",
        source_url=f"{url}/blob/{branch}/{pagename}.md",
        commit=f" at commit <code>{html.escape(commit)}</code>" if commit else "",
        number=Path(pagename).name[:2],
    )


def add_edition(context):
    parts = [f"Version {edition.version()}", edition.date()]
    parts.append(f"commit {edition.commit_in_words()}" if edition.commit()[0] else "")
    line = " · ".join(html.escape(part) for part in parts if part)
    context["body"] += f'<p class="edition">{line}</p>'


def drop_thebe(context):
    def uses_thebe(script):
        attributes = getattr(script, "attributes", {})
        return "thebe" in f"{script} {attributes.get('body', '')}".lower()

    context["script_files"] = [s for s in context["script_files"] if not uses_thebe(s)]


def mend_page(app, pagename, templatename, context, doctree):
    drop_thebe(context)
    if is_chapter(pagename) and doctree is not None:
        mend_edit_link(app, pagename, context)
        add_foot(app, pagename, context)
    if doctree is not None:
        add_edition(context)


def setup(app):
    app.setup_extension("sphinx.ext.extlinks")
    app.connect("config-inited", define_repository_links, priority=100)
    app.connect("html-page-context", mend_page, priority=1000)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
