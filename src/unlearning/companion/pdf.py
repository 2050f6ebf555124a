"""The book as one PDF: its built pages in reading order, printed by Chromium.

    python -m unlearning.companion.pdf

All pages become one document first, so that links between chapters, bookmarks and page numbers
come from the browser. The look is the `@media print` block of book/_static/custom.css.
"""

import html
import os
import posixpath
import re
import shutil
import sys
import tomllib
from pathlib import Path
from urllib.parse import unquote, urlsplit

from unlearning.base.revision import revision

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FOOTER = (
    '<div style="font: 7.5pt sans-serif; color: #666; width: 100%; text-align: center">'
    '<span class="pageNumber"></span></div>'
)
DOCUMENT = """<!doctype html>
<html lang="en" data-theme="light" data-mode="light">
<head><meta charset="utf-8"><title>{title}</title>{head}</head>
<body class="printed-book">
<section class="printed-cover"><h1>{title}</h1><p>{about}</p></section>
{body}
</body></html>
"""


class NotPrinted(Exception):
    """The book cannot be printed here; the text says why, and what to do."""


def find_browser() -> str:
    """Returns the path of $CHROMIUM, or of the first Chromium on the PATH.

    Raises:
        NotPrinted: If there is none.
    """
    names = (os.environ.get("CHROMIUM"), *BROWSERS)
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if found is None:
        raise NotPrinted("expected Chromium on the PATH, or its path in CHROMIUM; found none")
    return found


def reading_order(site: Path) -> list[str]:
    """Returns the pages as the contents of the first page list them, that page first."""
    listed = _soup(site / "index.html").select("nav.bd-links a.reference.internal")
    names = ["index.html", *(link["href"].partition("#")[0] for link in listed)]
    return list(dict.fromkeys(name for name in names if name and not urlsplit(name).scheme))


def one_document(site: Path, title: str, about: str) -> str:
    """Returns all pages as one HTML document, which is to lie beside the folder `site`.

    Ids begin with the name of their page, and links between pages lead to these ids. A link to a
    file that is no page, a download, keeps its text only.
    """
    pages = {name: _soup(site / name) for name in reading_order(site)}
    head, articles = [], []
    for name, soup in pages.items():
        head += [str(tag) for tag in _styles_and_math(site.name, name, soup)]
        articles.append(str(_article(site.name, name, soup, set(pages))))
    return DOCUMENT.format(
        title=html.escape(title),
        about=html.escape(about),
        head="\n".join(dict.fromkeys(head)),
        body="\n".join(articles),
    )


def _soup(path: Path):
    from bs4 import BeautifulSoup  # of the build's environment, not of the library's

    return BeautifulSoup(path.read_bytes(), "html.parser")


def _styles_and_math(folder, name, soup):
    """Of a page's head only what print needs; the theme's scripts would undo the printed look."""
    for tag in soup.select("link[rel=stylesheet][href]"):
        tag["href"] = _file(folder, name, tag["href"])
        yield tag
    for tag in soup.find_all("script"):
        if "mathjax" in tag.get("src", "") or "window.MathJax" in tag.text:
            if tag.get("src"):
                tag["src"] = _file(folder, name, tag["src"])
            yield tag


def _file(folder: str, name: str, address: str) -> str:
    """Returns the address of a figure or style as it is from beside the folder of the site."""
    return address if urlsplit(address).scheme else f"{folder}/{_from_top(name, address)}"


def _from_top(name: str, address: str) -> str:
    """Returns a page's relative address as one from the top of the site."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(name), address))


def _anchor(name: str, fragment: str = "") -> str:
    page = re.sub(r"\W+", "-", name.removesuffix(".html"))
    return f"{page}--{fragment}" if fragment else page


def _article(folder, name, soup, names):
    article = soup.select_one(".bd-article")
    for tag in article.select("a.headerlink, button, script"):
        tag.decompose()
    for tag in article.find_all(id=True):
        tag["id"] = _anchor(name, tag["id"])
    for tag in article.find_all(src=True):
        tag["src"] = _file(folder, name, tag["src"])
    for tag in article.find_all("a", href=True):
        _mend_link(tag, name, names)
    article["id"] = _anchor(name)
    article["class"] = ["bd-article", "printed-page"]
    article.name = "article"
    return article


def _mend_link(tag, name, names):
    parts = urlsplit(tag["href"])
    if parts.scheme:
        return
    page = _from_top(name, parts.path) if parts.path else name
    if page in names:
        tag["href"] = "#" + _anchor(page, unquote(parts.fragment))
    else:
        del tag["href"]


def print_document(source: Path, target: Path, browser: str) -> None:
    """Prints the HTML file `source` to the PDF `target`, once its math is set."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        page = chromium.new_page(color_scheme="light")
        page.goto(source.as_uri())
        page.evaluate("async () => { if (window.MathJax) await MathJax.startup.promise; }")
        page.pdf(
            path=target,
            format="A4",
            margin={"top": "18mm", "bottom": "20mm", "left": "18mm", "right": "18mm"},
            print_background=True,
            display_header_footer=True,
            header_template="<span></span>",
            footer_template=FOOTER,
            outline=True,
            tagged=True,
        )
        chromium.close()


def make_pdf(root: Path) -> Path:
    """Writes `_build/unlearning-companion-VERSION.pdf`, whole or not at all; returns its path.

    Raises:
        NotPrinted: If the book is not built, or there is no Chromium.
    """
    site = root / "_build" / "html"
    if not (site / "index.html").is_file():
        raise NotPrinted(f"expected the built book in {site}, found none; run `make book`")
    browser = find_browser()
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    at = revision(root)
    about = f"Version {project['version']}" + (f", commit {at}, {at.date[:10]}" if at else "")
    target = root / "_build" / f"{project['name']}-{project['version']}.pdf"
    part = target.with_suffix(".part.pdf")
    # Not among the pages, of which it is none, but near: it reads their figures and styles.
    source = site.parent / "printed-book.html"
    title = _soup(site / "index.html").select_one(".bd-article h1").find(string=True).strip()
    try:
        source.write_text(one_document(site, title, about), encoding="utf-8")
        print_document(source, part, browser)
    finally:
        source.unlink(missing_ok=True)
    os.replace(part, target)
    return target


def main() -> int:
    """Prints the book, as the Makefile asks for it."""
    try:
        target = make_pdf(Path.cwd())
    except NotPrinted as error:
        print(f"pdf: {error}", file=sys.stderr)
        return 2
    print(f"wrote {target} ({target.stat().st_size / 1e6:.1f} MB)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
