"""Every internal link of the built book leads somewhere, and so does every link to a source."""

import pytest
import yaml

from tests.book.links import Repository, broken_links
from tests.book.site import HTML, ROOT, pages
from unlearning.base.revision import known_files
from unlearning.companion.archive import unknown_files

HOST = "https://github.com/example/small"


def test_no_link_of_the_book_is_broken():
    assert pages(), "the book is not built; run `make book`"
    config = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))
    # A new file counts before it is committed; a generated one never does.
    files = {name for name in known_files(ROOT) + unknown_files(ROOT) if (ROOT / name).is_file()}
    repository = Repository(config["repository"]["url"], ROOT, files)
    assert broken_links(HTML, repository) == []


GOOD = [
    "b.html", "b.html#there", "#here", "#", "sub/c.html?x=1#deep", "image%20one.png", "b.html#old",
    "https://elsewhere.org/none", "mailto:a@example.org", "data:image/png;base64,xx",
    HOST, f"{HOST}/issues/new?title=x", f"{HOST}/blob/main/src/a.py", f"{HOST}/tree/main/src",
    f"{HOST}/edit/main/src/a.py", f"{HOST}/blob/main/src/a.py#L1-L3",
    f"{HOST}/blob/main/src/a.py#L3", f"{HOST}/blob/0123abc/src/a.py#L1-L99",
]  # fmt: skip
BROKEN = {
    "gone.html": "no such file",
    "sub": "no such file",
    "sub/gone.png": "no such file",
    "b.html#nowhere": "no id 'nowhere' there",
    "#nowhere": "no id 'nowhere' there",
    "/b.html": "begins at the root, which is elsewhere on a disk",
    f"{HOST}/blob/main/src/gone.py": "no such file in the repository",
    f"{HOST}/edit/main/book/notebooks/generated.ipynb": "no such file in the repository",
    f"{HOST}/blob/main/src": "no such file in the repository",
    f"{HOST}/tree/main/gone": "no such folder in the repository",
    f"{HOST}/blob/master/src/a.py": "neither the branch main nor a commit",
    f"{HOST}/blob/0123abc/src/gone.py": "no such file in the repository",
    f"{HOST}/blob/main/src/a.py#L2-L4": "the file has 3 lines",
    f"{HOST}/blob/main/src/a.py#L3-L1": "the file has 3 lines",
    f"{HOST}/blob/main/src/a.py#L0": "the file has 3 lines",
}


@pytest.fixture
def check(tmp_path):
    """Writes a small site whose first page has these links; returns what is broken in it."""
    site, root = tmp_path / "site", tmp_path / "root"
    (site / "sub").mkdir(parents=True)
    (site / "_static").mkdir()
    (root / "src").mkdir(parents=True)
    (root / "src" / "a.py").write_text("1\n2\n3\n")
    (site / "b.html").write_text('<p id="there"><a name="old">B</a></p>')
    (site / "sub" / "c.html").write_text('<p id="deep"><a href="../b.html#there">up</a></p>')
    (site / "_static" / "template.html").write_text('<a href="{{ nowhere }}">')
    (site / "image one.png").write_bytes(b"")

    def run(links):
        tags = "".join(f'<a href="{link}">x</a>' for link in links)
        (site / "a.html").write_text(f'<p id="here">{tags}</p>')
        return broken_links(site, Repository(HOST, root, {"src/a.py"}))

    run.site = site
    return run


def test_good_links_pass(check):
    assert check(GOOD) == []


@pytest.mark.parametrize("link", BROKEN)
def test_planted_fault_is_reported(check, link):
    assert check([*GOOD, link]) == [f"a.html: {link}: {BROKEN[link]}"]


def test_images_and_scripts_are_links_too(check):
    (check.site / "sub" / "d.html").write_text('<img src="../no.png"><script src="no.js"></script>')
    assert check([]) == [
        "sub/d.html: ../no.png: no such file",
        "sub/d.html: no.js: no such file",
    ]
