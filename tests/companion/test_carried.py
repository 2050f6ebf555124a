"""An installation without a clone: the wheel carries the chapters and the records."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile

import nbformat
import pytest

from tests.book.site import ROOT
from unlearning.companion import chapters, record

BOOK = "unlearning/companion/_book/"
NEEDED = ["pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "constraints.txt"]
NEEDED += ["src", "notebooks", "results", "claims.yml", "errata.yml"]


def backend(folder, hook):
    """Calls the build backend in `folder`, as pip does, and returns what it made."""
    program = f"import setuptools.build_meta as b; print('made', b.{hook}('made'))"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return folder / "made" / done.stdout.split("made ")[-1].strip()


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of what a build reads, so that it leaves nothing in the checkout."""
    folder = tmp_path_factory.mktemp("tree")
    for source in (ROOT / name for name in NEEDED if (ROOT / name).exists()):
        if source.is_dir():
            ignored = shutil.ignore_patterns("*.egg-info", "__pycache__", "*.ipynb")
            shutil.copytree(source, folder / source.name, ignore=ignored)
        else:
            shutil.copy2(source, folder)
    return folder


@pytest.fixture(scope="module")
def wheel(tree):
    return backend(tree, "build_wheel")


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The wheel, unpacked into a folder that holds nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def names(wheel):
    with zipfile.ZipFile(wheel) as archive:
        return sorted(archive.namelist())


def run_installed(installed, folder, *words):
    """Runs a module of the unpacked wheel, and of it alone, in a folder of the user's."""
    environment = os.environ | {"PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True
    )


def contents(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_wheel_carries_chapters_parameters_records_and_claims(wheel):
    expected = [path.relative_to(ROOT) for path in (ROOT / "notebooks").glob("*.md")]
    expected += [p.relative_to(ROOT) for p in (ROOT / "notebooks" / "parameters").glob("*.yml")]
    expected += [path.relative_to(ROOT) for path in (ROOT / "results").rglob("*.json")]
    expected += [p.relative_to(ROOT) for p in ROOT.glob("*.yml") if p.stem in ("claims", "errata")]
    carried = [name.removeprefix(BOOK) for name in names(wheel) if name.startswith(BOOK)]
    assert carried == sorted(path.as_posix() for path in expected)


def test_wheel_from_the_source_distribution_is_the_same(tree, wheel, tmp_path):
    with tarfile.open(backend(tree, "build_sdist")) as archive:
        archive.extractall(tmp_path, filter="data")
    (unpacked,) = tmp_path.iterdir()
    assert names(backend(unpacked, "build_wheel")) == names(wheel)


def test_a_second_build_drops_a_chapter_that_is_gone(tree):
    extra = tree / "notebooks" / "98_gone.md"
    extra.write_text("# Gone")
    assert BOOK + "notebooks/98_gone.md" in names(backend(tree, "build_wheel"))
    extra.unlink()
    assert BOOK + "notebooks/98_gone.md" not in names(backend(tree, "build_wheel"))


def test_unpacked_wheel_lists_and_runs_its_chapters_in_any_folder(installed, tmp_path):
    (tmp_path / "notebooks").mkdir()  # of the user's; no chapter is looked for in it
    before = contents(installed)
    cli = ("-m", "unlearning.companion.cli")
    listed = run_installed(installed, tmp_path, *cli, "list")
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout.startswith("01  What unlearning is")
    small = ("-p", "n_train=100", "-p", "epochs=2", "-p", "n_forget=5")
    done = run_installed(installed, tmp_path, *cli, "run", "01", *small, "-o", "out.ipynb")
    assert done.returncode == 0, done.stderr
    notebook = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
    assert contents(installed) == before, "the run wrote into the package"
    assert {path.name for path in tmp_path.iterdir()} == {"notebooks", "out.ipynb"}


def test_records_are_read_from_the_package_and_written_to_the_users_folder(installed, tmp_path):
    before = contents(installed)
    known = sorted(path.stem for path in (ROOT / "results").glob("*.json"))[0]
    program = (
        "from unlearning.companion import record\n"
        f"assert record.load({known!r})['values']\n"
        "run = {'seed': 1, 'commit': '', 'date': '', 'seconds': 0}\n"
        "made = {'runs': [run], 'used': {}, 'values': []}\n"
        "from unlearning.companion.parameters import declared_parameters\n"
        "asked = declared_parameters(record._notebook('01'))\n"
        "asked = {name: item.default for name, item in asked.items()}\n"
        "record.save('mine', chapter='01', parameters=asked, **made)\n"
    )
    done = run_installed(installed, tmp_path, "-c", program)
    assert done.returncode == 0, done.stderr
    assert contents(installed) == before
    assert (tmp_path / "results" / "mine.json").is_file()


def test_a_checkout_is_read_itself(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert chapters.book_root() == ROOT
    assert chapters.notebooks_folder() == ROOT / "notebooks"
    assert record.results_folder() == ROOT / "results"


def test_neither_checkout_nor_carried_is_said(monkeypatch, tmp_path):
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(chapters, "CHECKOUT", tmp_path)
    monkeypatch.setattr(chapters, "CARRIED", tmp_path / "_book")
    with pytest.raises(ValueError, match="notebooks: expected them in the checkout .* carried in"):
        chapters.book_root()


def test_an_editable_build_copies_nothing(tree):
    made = backend(tree, "build_editable")
    assert not [name for name in names(made) if name.startswith(BOOK)]
