"""The printed book: one document whose links stay inside it, then a PDF by Chromium."""

import re

import pytest
from bs4 import BeautifulSoup

from tests.book.site import ROOT
from unlearning.companion import pdf

PAGE = """<html><head><link rel="stylesheet" href="{up}_static/a.css">{script}
<script src="{up}_static/theme.js"></script></head><body>
<nav class="bd-links"><a class="reference internal" href="#">Start</a>
<a class="reference internal" href="notebooks/b.html">B</a></nav>
<article class="bd-article">{body}</article></body></html>"""
START = """<h1 id="top">A book<a class="headerlink" href="#top">#</a></h1>
<a href="notebooks/b.html#part">to a part</a> <a href="notebooks/b.html">to B</a>
<a href="https://example.org/x">away</a>"""
SECOND = """<h1 id="part">B</h1><img src="../_images/f.png"><a href="#part">here</a>
<a href="../index.html">back</a> <a href="../_sources/b.ipynb">download</a><button>x</button>"""
MATH = '<script src="../_static/mathjax/m.js"></script>'


@pytest.fixture
def site(tmp_path):
    """Two pages, the second one below a folder and with math."""
    folder = tmp_path / "html"
    (folder / "notebooks").mkdir(parents=True)
    second = PAGE.format(up="../", script=MATH, body=SECOND)
    (folder / "index.html").write_text(PAGE.format(up="", script="", body=START))
    (folder / "notebooks" / "b.html").write_text(second)
    return folder


def test_pages_become_one_document_in_reading_order(site):
    assert pdf.reading_order(site) == ["index.html", "notebooks/b.html"]
    soup = BeautifulSoup(pdf.one_document(site, "A & B", "Version 1"), "html.parser")
    assert [article["id"] for article in soup.find_all("article")] == ["index", "notebooks-b"]
    links = {link.text: link.get("href") for link in soup.find_all("a")}
    assert links == {
        "to a part": "#notebooks-b--part",
        "to B": "#notebooks-b",
        "away": "https://example.org/x",
        "here": "#notebooks-b--part",
        "back": "#index",
        "download": None,
    }
    ids = {tag["id"] for tag in soup.find_all(id=True)}
    assert {link[1:] for link in links.values() if link and link.startswith("#")} <= ids
    assert soup.img["src"] == "html/_images/f.png"
    assert [tag["href"] for tag in soup.find_all("link")] == ["html/_static/a.css"]
    assert [tag["src"] for tag in soup.find_all("script")] == ["html/_static/mathjax/m.js"]
    assert soup.title.text == "A & B"


def test_without_chromium_it_says_what_is_missing(site, tmp_path, monkeypatch):
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(pdf.NotPrinted, match="expected Chromium on the PATH"):
        pdf.find_browser()


def test_without_a_built_book_it_says_so(tmp_path):
    with pytest.raises(pdf.NotPrinted, match="run `make book`"):
        pdf.make_pdf(tmp_path)


@pytest.mark.browser
def test_the_book_is_printed_with_bookmarks_and_no_path_of_this_machine():
    data = pdf.make_pdf(ROOT).read_bytes()
    order = pdf.reading_order(ROOT / "_build" / "html")
    assert data.startswith(b"%PDF-")
    # Chromium leaves the objects readable; only what stands on the pages is compressed.
    assert len(re.findall(rb"/Type /Page\b", data)) > len(order)
    assert b"/Outlines" in data
    for name in order[1:]:
        anchor = name.removesuffix(".html").replace("/", "-")
        assert f"/{anchor}".encode() in data or f"({anchor}".encode() in data, f"no link to {name}"
    assert b"file://" not in data
    assert str(ROOT).encode() not in data
    assert not (ROOT / "_build" / "printed-book.html").exists()
