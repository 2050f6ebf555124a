"""The browser that the tests of the book share."""

import pytest

from tests.book.site import FLAGS, browser_path, missing_for_browser


@pytest.fixture(scope="module")
def browser():
    missing = missing_for_browser()
    if missing:
        pytest.fail(f"REQUIRE_BROWSER is set, but: {missing}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser_path(), args=FLAGS)
        yield chromium
        chromium.close()
