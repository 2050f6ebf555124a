"""`make upgrade` writes pins of the same form as before, and touches nothing when it fails."""

import os
import subprocess
import sys

from tests.book.site import ROOT

OLD = "# A head\n# of two lines.\nalpha==1.0\nGone==2\nzeta==3\n"
FREEZE = (
    "zeta==3\nalpha==1.1\nNew_one==0.1\nnvidia-cublas==13\ntriton==3\npip==26\nsetuptools==84\n"
)


def write_pins(folder, freeze):
    (folder / "constraints.txt").write_text(OLD)
    (folder / "freeze.txt").write_text(freeze)
    return subprocess.run(
        [sys.executable, ROOT / ".ci" / "pins.py", "freeze.txt", "constraints.txt"],
        cwd=folder,
        capture_output=True,
        text=True,
    )


def test_pins_are_written_below_the_same_head_and_changes_are_told(tmp_path):
    done = write_pins(tmp_path, FREEZE)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "constraints.txt").read_text() == (
        "# A head\n# of two lines.\nalpha==1.1\nNew_one==0.1\nsetuptools==84\nzeta==3\n"
    )
    assert done.stdout == (
        "4 versions in constraints.txt, 4 changed:\n  alpha: 1.0 -> 1.1\n  gone: 2 -> (none)\n"
        "  new-one: (none) -> 0.1\n  setuptools: (none) -> 84\n"
    )


def test_what_is_no_pin_is_refused_and_the_file_kept(tmp_path):
    done = write_pins(tmp_path, "alpha @ file:///somewhere/alpha.whl\n")
    assert done.returncode != 0
    assert "expected lines of the form name==version, got ['alpha @" in done.stderr
    assert (tmp_path / "constraints.txt").read_text() == OLD


def test_the_file_in_use_has_the_form_that_is_written(tmp_path):
    text = (ROOT / "constraints.txt").read_text()
    pins = "".join(line for line in text.splitlines(keepends=True) if not line.startswith("#"))
    (tmp_path / "freeze.txt").write_text(pins)
    (tmp_path / "constraints.txt").write_text(text)
    words = [sys.executable, ROOT / ".ci" / "pins.py", "freeze.txt", "constraints.txt"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert "0 changed" in done.stdout
    assert (tmp_path / "constraints.txt").read_text() == text


def test_a_failed_installation_leaves_the_pins_and_says_so(tmp_path):
    """With a Python whose pip cannot install: what stands in for it fails at once."""
    for name in ("upgrade", "make_venv", "pins.py"):
        (tmp_path / ".ci").mkdir(exist_ok=True)
        (tmp_path / ".ci" / name).write_bytes((ROOT / ".ci" / name).read_bytes())
    (tmp_path / "constraints.txt").write_text(OLD)
    # There is no pyproject.toml here, so pip refuses without asking the network for anything.
    done = subprocess.run(
        ["bash", ".ci/upgrade"], cwd=tmp_path, capture_output=True, text=True,
        env=os.environ | {"PIP_NO_INDEX": "1"},
    )  # fmt: skip
    assert done.returncode != 0
    assert "The installation failed; the last lines of" in done.stderr
    assert "constraints.txt is as it was" in done.stderr
    assert (tmp_path / "constraints.txt").read_text() == OLD
    assert not (tmp_path / "_build" / "upgrade").exists()
    assert (tmp_path / "_build" / "upgrade.log").is_file()
