"""The real archive, unpacked elsewhere: whole, telling nothing of this machine, and readable."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.book.browsing import open_page
from tests.book.site import ROOT
from unlearning.base.revision import revision
from unlearning.companion.archive import machine_paths, make_archive, read

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """The archive of the book as it is built; a developer's tree may have changes."""
    folder = tmp_path_factory.mktemp("unpacked")
    with zipfile.ZipFile(make_archive(ROOT, dirty=True)) as archive:
        archive.extractall(folder)
    (top,) = folder.iterdir()
    return top


def test_checksums_hold(unpacked):
    tool = ["sha256sum"] if shutil.which("sha256sum") else ["shasum", "-a", "256"]  # macOS
    done = subprocess.run([*tool, "--check", "--quiet", "SHA256SUMS"], cwd=unpacked)
    assert done.returncode == 0


def test_pages_and_notebooks_tell_nothing_of_this_machine(unpacked):
    files = {
        str(f): read(f) for part in ("html", "executed") for f in (unpacked / part).rglob("*.*")
    }
    assert len(files) > 20
    assert machine_paths(files, [str(ROOT), str(Path.home()), sys.prefix, "/tmp"]) == []


def test_source_names_its_commit(unpacked):
    assert not (unpacked / "source" / ".git").exists()
    assert revision(unpacked / "source").commit == revision(ROOT).commit


@pytest.mark.parametrize("name", ["index.html", "notebooks/01_what_is_unlearning.html"])
def test_opens_from_the_disk_without_complaint(unpacked, browser, name):
    page = open_page(browser, (unpacked / "html" / name).as_uri())
    assert page.complaints == []
    assert page.locator(".bd-article h1").count() == 1
    assert page.locator(".math:not(:has(mjx-container))").count() == 0
    page.context.close()
