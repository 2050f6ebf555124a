"""A reader's browser over the built book: Chromium, from the local disk, with no network."""

import functools
import http.server
import re
import threading

import pytest

from tests.book.browsing import DESKTOP, PHONE, open_page
from tests.book.site import HTML, pages
from unlearning.companion.chapters import chapters, notebooks_folder

pytestmark = pytest.mark.browser

# What a reader reads: all text but code, rendered math, and scripts.
TEXT_WITHOUT_CODE = """() => {
  const copy = document.querySelector('.bd-article, main').cloneNode(true);
  copy.querySelectorAll('pre, code, script, style, mjx-container').forEach(e => e.remove());
  return copy.textContent;
}"""

# The theme fades from one to the other, so these are waited for.
BRIGHTNESS = (
    "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3)"
    ".reduce((sum, part) => sum + Number(part), 0) / 3"
)
IS_BRIGHT = f"() => {BRIGHTNESS} > 200"
IS_DARK = f"() => {BRIGHTNESS} < 60"


@pytest.fixture(scope="module", params=pages() or ["index.html"])
def page(request, browser):
    """Each page of the book in turn, opened once."""
    opened = open_page(browser, (HTML / request.param).as_uri())
    yield opened
    opened.context.close()


def show(page, viewport=DESKTOP, scheme="light"):
    page.set_viewport_size(viewport)
    page.emulate_media(color_scheme=scheme)


def test_page_asks_nothing_of_the_network_and_raises_no_error(page):
    assert page.complaints == []


def test_page_shows_math_and_no_tex(page):
    text = page.evaluate(TEXT_WITHOUT_CODE)
    leftover = re.search(r"\$|\\(?:frac|eta|sum|lambda|mathbb|begin|nabla|\(|\[)", text)
    assert not leftover, text[max(0, leftover.start() - 60) :][:120]
    assert page.locator(".math:not(:has(mjx-container))").count() == 0, "math not rendered"
    assert page.locator("mjx-merror, [data-mjx-error]").count() == 0, "MathJax reports an error"


def test_page_says_its_version_and_date(page):
    line = page.locator("p.edition").inner_text()
    assert re.fullmatch(r"Version \d+\.\d+\.\d+ · \d{4}-\d\d-\d\d · commit [0-9a-f]{12}.*", line)


def test_images_have_alt_text(page):
    assert page.locator(".bd-article img:not([alt]), .bd-article img[alt='']").count() == 0


def test_page_has_one_search_bar(page):
    show(page)
    assert page.locator("form.bd-search:visible, .search-button-field:visible").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_scrolls_sideways_on_a_phone(page, scheme):
    show(page, PHONE, scheme)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    beyond = page.evaluate(
        "() => [...document.querySelectorAll('.bd-article img')]"
        ".filter(i => i.getBoundingClientRect().right > innerWidth + 1).map(i => i.src)"
    )
    assert beyond == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_follows_light_and_dark(page, scheme):
    show(page, scheme=scheme)
    page.wait_for_function(IS_BRIGHT if scheme == "light" else IS_DARK, timeout=5_000)
    for figure in page.locator("div.cell_output img").all():
        inverted = "invert" in figure.evaluate("e => getComputedStyle(e).filter")
        assert inverted == (scheme == "dark")


@pytest.mark.parametrize("stem", chapters(notebooks_folder()))
def test_chapter_leads_to_its_source_and_offers_a_download(browser, stem):
    chapter = open_page(browser, (HTML / "notebooks" / f"{stem}.html").as_uri())
    links = chapter.evaluate("() => [...document.querySelectorAll('a')].map(a => a.href)")
    assert any(link.endswith(f"/edit/main/notebooks/{stem}.md") for link in links)
    assert any(link.endswith(f"/{stem}.ipynb") for link in links)
    assert (HTML / "_sources" / "notebooks" / f"{stem}.ipynb").is_file()
    assert f"unlearning run {stem[:2]}" in chapter.inner_text("main")


@pytest.fixture
def server():
    """The book over HTTP on this machine, as a reader finds it published."""
    handler = functools.partial(_QuietHandler, directory=str(HTML))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/"
        running.shutdown()


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


def search_results(page):
    page.wait_for_selector("#search-results li a", timeout=10_000)
    return page.locator("#search-results li").all_inner_texts()


def test_search_finds_additivity(browser, server):
    page = open_page(browser, f"{server}search.html?q=additivity", allowed=server)
    assert any("dditiv" in result for result in search_results(page))
    page.wait_for_load_state("networkidle")
    assert page.complaints == []


def test_search_finds_additivity_from_the_disk_too(browser):
    # The browser refuses to fetch the excerpts from the disk, and says so; the results come.
    page = open_page(browser, (HTML / "search.html").as_uri() + "?q=additivity")
    assert any("dditiv" in result for result in search_results(page))
