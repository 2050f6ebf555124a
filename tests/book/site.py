"""The built book and the browser that looks at it."""

import os
import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HTML = ROOT / "_build" / "html"
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def browser_path() -> str | None:
    """Returns the Chromium to use: $CHROMIUM, or the first one on the PATH."""
    names = [os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome"]
    return next((path for name in names if name and (path := shutil.which(name))), None)


def missing_for_browser() -> str:
    """Says what a browser test lacks here; empty if nothing."""
    if browser_path() is None:
        return "no Chromium; install it or set CHROMIUM to its path"
    if not (HTML / "index.html").is_file():
        return "the book is not built; run `make book`"
    return ""


def pages() -> list[str]:
    """Returns the pages of the built book as paths below it, without the generated indices."""
    generated = {"genindex.html", "search.html", "prf-prf.html"}
    paths = [path.relative_to(HTML) for path in HTML.rglob("*.html")]
    return sorted(
        str(path)
        for path in paths
        if path.name not in generated and not path.parts[0].startswith("_")
    )
