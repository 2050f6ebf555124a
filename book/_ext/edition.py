"""What this build of the book is: version, commit, date, and where its sources lie.

The Snakefile hands commit and date over (UNLEARNING_COMMIT, UNLEARNING_DATE), so that two builds of
one commit give the same pages.
"""

import os
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]


def repository(app):
    """Returns the repository's address and branch."""
    options = app.config.html_theme_options
    return options["repository_url"].rstrip("/"), options["repository_branch"]


def commit():
    """Returns the commit (empty if unknown), and whether there were changes on top of it."""
    name = os.environ.get("UNLEARNING_COMMIT", "")
    return name.rstrip("+"), name.endswith("+")


def commit_in_words():
    name, changed = commit()
    return name + (" with uncommitted changes" if changed else "")


def date():
    """Returns the date of the commit, YYYY-MM-DD; empty if unknown."""
    return os.environ.get("UNLEARNING_DATE", "")


def citation():
    return yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def version():
    return citation()["version"]


def blob(app, path):
    """Returns the address of a file of the repository, at this build's commit."""
    address, branch = repository(app)
    return f"{address}/blob/{commit()[0] or branch}/{path}"
