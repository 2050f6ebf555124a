"""The archive: the same bytes twice, checksums and modes right, and what it refuses."""

import hashlib
import io
import os
import shutil
import subprocess
import sys
import zipfile

import pytest

from tests.book.site import ROOT
from unlearning.base.revision import revision
from unlearning.companion import archive

FILES = {
    "pyproject.toml": '[project]\nname = "small"\nversion = "1.2"\n',
    "constraints.txt": "a==1\n",
    "environment.yml": "name: small\n",
    ".gitignore": "_build/\nbook/notebooks/\n",
    "notebooks/01_a.md": "# A",
    "results/r.json": "{}",
    "do": "#!/bin/sh\n",
    "book/notebooks/01_a.ipynb": "{}",
    "_build/html/index.html": '<a href="notebooks/01_a.html">A</a>',
    "_build/html/notebooks/01_a.html": "<p>A</p>",
    "_build/html/.buildinfo": "config: 1",
}


def git(folder, *words):
    subprocess.run(["git", "-C", folder, *words], check=True)


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A clone with a built book of one chapter."""
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    root = tmp_path / "tree"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "do").chmod(0o700)
    git(tmp_path, "init", "-q", root)
    git(root, "add", ".")
    git(root, "-c", "user.name=a", "-c", "user.email=a@example.org", "commit", "-q", "-m", "one")
    return root


def opened(path):
    return zipfile.ZipFile(io.BytesIO(path.read_bytes()))


def test_twice_the_same_bytes_whatever_the_times_and_modes_of_the_files(tree):
    first = archive.make_archive(tree).read_bytes()
    for name in FILES:
        os.utime(tree / name, (1e9, 1e9))
        (tree / name).chmod(0o700 if name == "do" else 0o600)
    assert archive.make_archive(tree).read_bytes() == first


def test_holds_what_it_should_under_one_folder(tree):
    path = archive.make_archive(tree)
    assert path == tree / "_build" / "small-1.2.zip"
    names = opened(path).namelist()
    assert names == sorted(names)
    assert {name.removeprefix("small-1.2/") for name in names} == {
        "README.txt", "SHA256SUMS", "executed/01_a.ipynb", "html/index.html",
        "html/notebooks/01_a.html", "records/r.json", "environment/constraints.txt",
        "environment/environment.yml", "environment/installed.txt", "environment/system.txt",
        "source/.gitignore", "source/COMMIT", "source/constraints.txt", "source/do",
        "source/environment.yml", "source/notebooks/01_a.md", "source/pyproject.toml",
        "source/results/r.json",
    }  # fmt: skip


def test_checksums_are_those_of_the_files(tree):
    bundle = opened(archive.make_archive(tree))
    lines = bundle.read("small-1.2/SHA256SUMS").decode().splitlines()
    for digest, name in (line.split("  ") for line in lines):
        assert hashlib.sha256(bundle.read(f"small-1.2/{name}")).hexdigest() == digest
    assert len(lines) == len(bundle.namelist()) - 1


def test_modes_are_normal_and_times_those_of_the_commit(tree, monkeypatch):
    entries = opened(archive.make_archive(tree)).infolist()
    modes = {entry.filename.split("/", 1)[1]: oct(entry.external_attr >> 16) for entry in entries}
    assert modes.pop("source/do") == "0o100755"
    assert set(modes.values()) == {"0o100644"}
    (when,) = {entry.date_time for entry in entries}
    assert "{}-{:02}-{:02}T{:02}:{:02}".format(*when) == revision(tree).date[:16]
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    entries = opened(archive.make_archive(tree)).infolist()
    assert {entry.date_time for entry in entries} == {(2001, 9, 9, 1, 46, 40)}


@pytest.mark.parametrize("name", ["do", "notebooks/02_new.md"])
def test_a_tree_that_differs_is_refused_unless_asked_for(tree, name):
    (tree / name).write_text("changed")
    for file in ("book/notebooks/02_new.ipynb", "_build/html/notebooks/02_new.html"):
        (tree / file).write_text("{}")
    with pytest.raises(archive.Refused, match=rf"(?s)differ from commit.*{name}.*DIRTY=1"):
        archive.make_archive(tree)
    assert not list((tree / "_build").glob("*.zip"))
    path = archive.make_archive(tree, dirty=True)
    assert path.name == "small-1.2+changes.zip"
    assert opened(path).read(f"small-1.2+changes/source/{name}") == b"changed"
    assert b"changes: yes" in opened(path).read("small-1.2+changes/source/COMMIT")


def test_dirty_changes_nothing_for_a_clean_tree(tree):
    assert archive.make_archive(tree, dirty=True).name == "small-1.2.zip"


@pytest.mark.parametrize(
    "missing", ["book/notebooks/01_a.ipynb", "_build/html/notebooks/01_a.html"]
)
def test_a_book_that_is_not_built_is_refused(tree, missing):
    (tree / missing).unlink()
    with pytest.raises(archive.Refused, match="01_a is not in the built book; run `make book`"):
        archive.make_archive(tree)


def test_archive_of_unpacked_sources_with_the_same_build_has_the_same_bytes(tree, tmp_path):
    path = archive.make_archive(tree)
    for entry in opened(path).infolist():
        opened(path).extract(entry, tmp_path)
    sources = tmp_path / "small-1.2" / "source"
    (sources / "do").chmod(0o755)  # zipfile, unlike unzip, does not set modes
    shutil.copytree(tree / "_build" / "html", sources / "_build" / "html")
    shutil.copytree(tree / "book", sources / "book")
    assert archive.make_archive(sources).read_bytes() == path.read_bytes()
    (sources / "results" / "r.json").write_text("[]")
    with pytest.raises(archive.Refused, match=r"differ from commit [0-9a-f]+:\n  results/r.json"):
        archive.make_archive(sources)


def test_neither_a_clone_nor_an_archive_is_refused(tmp_path):
    with pytest.raises(archive.Refused, match="expected a git clone or the sources of an archive"):
        archive.make_archive(tmp_path)


def test_a_page_that_names_a_folder_of_this_machine_is_refused(tree):
    (tree / "_build/html/notebooks/01_a.html").write_text(f"<pre>{tree}/src/a.py:3</pre>")
    with pytest.raises(archive.Refused, match=r"names folders of this machine:\n  html/notebooks"):
        archive.make_archive(tree)


@pytest.mark.parametrize(
    ("text", "tells"),
    [
        ("in /home/ann/x.py", True),
        ("file:///home/ann", True),
        ("https://host.org/home/ann", False),
        ("/home/anna", False),
    ],
)
def test_only_a_whole_path_tells(text, tells):
    found = archive.machine_paths({"a.html": archive.Member(text.encode())}, ["/home/ann"])
    assert bool(found) == tells


def test_command_says_why_and_exits_2(tree):
    (tree / "do").write_text("changed")
    words = ["-m", "unlearning.companion.archive", "--check-tree"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, *words], cwd=tree, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "archive: these differ from commit" in done.stderr
    assert done.stdout == ""
