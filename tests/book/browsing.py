"""How the tests open a page."""

PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}


def open_page(browser, address, allowed="file:"):
    """Opens a page in a profile of its own; collects what it complains of."""
    page = browser.new_context(viewport=DESKTOP, color_scheme="light").new_page()
    page.complaints = []
    page.on("pageerror", lambda error: page.complaints.append(f"script error: {error}"))
    page.on("console", lambda message: _note_error(page, message))
    page.on("request", lambda r: _note_request(page, r.url, allowed))
    page.goto(address)
    page.evaluate("async () => { if (window.MathJax) await MathJax.startup.promise; }")
    return page


def _note_error(page, message):
    if message.type == "error":
        page.complaints.append(f"console: {message.text}")


def _note_request(page, address, allowed):
    if not address.startswith((allowed, "data:", "blob:")):
        page.complaints.append(f"request: {address}")
