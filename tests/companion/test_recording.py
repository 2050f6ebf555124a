"""`unlearning record`, as a user runs it: refused, interrupted, gone on with, refreshed."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import unlearning
from tests.companion.front_matter import FRONT_MATTER

CHAPTER = (
    FRONT_MATTER
    + """
# A study

```{code-cell} ipython3
:tags: [parameters]

scale = 1.0
seeds = [1]
record = ""
```

```{code-cell} ipython3
import time

from unlearning.companion.study import Study

study = Study("07", {"scale": scale, "seeds": seeds}, record)


def measure(seed):
    time.sleep(1)
    return [{"seed": seed, "x": scale * seed}]


study.each_seed(measure)
study.save()
```
"""
)
COMMAND = ["-m", "unlearning.companion.cli", "record", "07", "-f"]
FILE = "notebooks/parameters/paper-small.yml"
SAYS = "# unlearning record 07 -f ...\n"


@pytest.fixture
def clone(tmp_path):
    """A clone that holds the library and one small chapter with its parameter file."""
    shutil.copytree(Path(unlearning.__file__).parent, tmp_path / "src" / "unlearning")
    (tmp_path / "_config.yml").touch()
    (tmp_path / "notebooks" / "parameters").mkdir(parents=True)
    (tmp_path / "notebooks" / "07_study.md").write_text(CHAPTER)
    (tmp_path / FILE).write_text(f"{SAYS}scale: 2.0\nseeds: [3, 4, 5]\n")
    return tmp_path


def start(clone, *words):
    return subprocess.Popen(
        [sys.executable, *COMMAND, *words],
        cwd=clone,
        env=os.environ | {"PYTHONPATH": str(clone / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def record(clone, *words):
    process = start(clone, *words)
    printed, _ = process.communicate(timeout=120)
    return process.returncode, printed


def parts(clone):
    return {path.name: path for path in clone.rglob("seed-*.json")}


def test_an_interrupted_recording_keeps_its_seeds_and_goes_on(clone):
    process = start(clone, FILE)
    while not parts(clone):
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130, printed
    kept = {name: path.stat().st_mtime_ns for name, path in parts(clone).items()}
    assert f"finished parts that are kept: {len(kept)};" in printed
    assert kept
    assert "seed-5-measure.json" not in kept
    assert not (clone / "results").exists()

    code, printed = record(clone, FILE)
    assert code == 0, printed
    assert {name: parts(clone)[name].stat().st_mtime_ns for name in kept} == kept
    made = json.loads((clone / "results" / "study-small.json").read_text())
    assert made["values"] == [{"seed": s, "x": 2.0 * s} for s in (3, 4, 5)]
    assert made["parameters"] == {"scale": 2.0, "seeds": [3, 4, 5]}

    assert "up to date" in record(clone, FILE)[1]
    chapter = clone / "notebooks" / "07_study.md"
    chapter.write_text(CHAPTER.replace("scale * seed", "scale + seed"))
    code, printed = record(clone, FILE)
    assert code == 0, printed
    made = json.loads((clone / "results" / "study-small.json").read_text())
    assert [row["x"] for row in made["values"]] == [5.0, 6.0, 7.0]


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("elsewhere.yml", SAYS, "is for chapter 07 (paper-small.yml), got 'elsewhere.yml'"),
        (FILE, "# unlearning record 08 -f ...", "is for chapter 07 (there is none), got"),
        (FILE, f"{SAYS}scele: 2.0", "parameter 'scele'"),
        (FILE, f"{SAYS}scale: many", "expected float, got str 'many'"),
        (FILE, f"{SAYS}record: mine", "-f: expected no 'record'"),
    ],
)
def test_what_cannot_be_repeated_by_others_is_refused(clone, file, text, message):
    (clone / file).write_text(text)
    code, printed = record(clone, file)
    assert code == 2
    assert message in printed
    assert not (clone / "results").exists()


def test_a_chapter_without_seeds_keeps_no_record(clone):
    text = CHAPTER.replace("seeds = [1]\n", "").replace("seeds", "[1]")
    (clone / "notebooks" / "07_study.md").write_text(text)
    code, printed = record(clone, FILE)
    assert code == 2
    assert "expected a chapter with parameters 'record' and 'seeds'" in printed
