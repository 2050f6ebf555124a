"""A sweep of records by Snakemake: its jobs, and that a kill costs the running seeds alone."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tests.companion.small_clone import FILE, parts, record
from unlearning.companion import chapters, sweep

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def here(clone, monkeypatch):
    """Writes a sweep in the small clone, as the current folder, and returns its path."""
    monkeypatch.chdir(clone)
    monkeypatch.setattr(chapters, "CHECKOUT", clone)
    monkeypatch.setattr("unlearning.base.provenance.PACKAGE", clone / "src" / "unlearning")

    def write(*entries):
        Path("sweep.yml").write_text(yaml.safe_dump(list(entries)))
        return Path("sweep.yml")

    return write


PLAIN = {"chapter": "07", "file": "paper-small.yml"}


def start(clone):
    """The sweep, in a session of its own."""
    command = [sys.executable, "-m", "snakemake", "-s", "sweep/Snakefile", "--cores", "2"]
    return subprocess.Popen(
        [*command, "--config", "file=sweep.yml"],
        cwd=clone,
        env=os.environ | {"PYTHONPATH": str(clone / "src"), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def without_times(made):
    """A record but for what differs from run to run: dates and seconds."""
    runs = [{k: v for k, v in run.items() if k not in ("seconds", "date")} for run in made["runs"]]
    left = {k: v for k, v in made.items() if k not in ("seconds", "date", "content_hash")}
    return left | {"runs": runs}


def test_a_killed_sweep_loses_the_running_seeds_alone(clone, here):
    shutil.copytree(ROOT / "sweep", clone / "sweep")
    here(PLAIN)
    process = start(clone)
    while not parts(clone):
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    time.sleep(2)  # a kernel that outlived its job ends, or has kept its seed, by now
    kept = {name: path.stat().st_mtime_ns for name, path in parts(clone).items()}
    assert 1 <= len(kept) < 3
    assert not (clone / "results").exists()

    process = start(clone)
    printed, _ = process.communicate(timeout=120)
    assert process.returncode == 0, printed
    assert {name: parts(clone)[name].stat().st_mtime_ns for name in kept} == kept
    path = clone / "results" / "study-small.json"
    swept = json.loads(path.read_text())
    assert [run["seed"] for run in swept["runs"]] == [3, 4, 5]
    code, printed = record(clone, FILE, "--again")
    assert code == 0, printed
    assert without_times(swept) == without_times(json.loads(path.read_text()))


def test_settings_that_are_crossed_become_parameter_files(here, clone):
    crossed = PLAIN | {"cross": {"scale": [0.5, 1.0e-3]}}
    found = sweep.settings(here(PLAIN, crossed))
    assert [setting.name for setting in found] == [
        "study-small",
        "study-small-scale-0-5",
        "study-small-scale-0-001",
    ]
    assert all(setting.seeds == (3, 4, 5) for setting in found)
    written = found[1].file.read_text()
    assert yaml.safe_load(written) == {"scale": 0.5, "seeds": [3, 4, 5]}
    assert "#   unlearning record 07 -f notebooks/parameters/paper-small-scale-0-5.yml" in written
    before = found[1].file.stat().st_mtime_ns
    sweep.settings(Path("sweep.yml"))
    assert found[1].file.stat().st_mtime_ns == before  # Snakemake looks at these times


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"chapter": "07"}, "entry 1: entry: expected chapter, file and perhaps cross"),
        (PLAIN | {"seed": 3}, "entry 1: entry: expected chapter, file and perhaps cross"),
        (PLAIN | {"chapter": 7}, "entry 1: chapter: expected a str, got 7"),
        (PLAIN | {"file": "none.yml"}, r"expected a file of notebooks/parameters/ that is for"),
        (PLAIN | {"cross": {"scale": 2.0}}, "cross, scale: expected a list of values"),
        (PLAIN | {"cross": {"seeds": [[1]]}}, "a parameter other than seeds"),
    ],
)
def test_a_malformed_sweep_is_refused(here, entry, message):
    with pytest.raises(ValueError, match=message):
        sweep.settings(here(entry))


def test_a_misspelt_parameter_is_refused_before_a_file_is_written(here, clone):
    with pytest.raises(ValueError, match="entry 1: parameter 'scele': this notebook has no such"):
        sweep.settings(here(PLAIN | {"cross": {"scele": [2.0]}}))
    assert [path.name for path in (clone / FILE).parent.iterdir()] == ["paper-small.yml"]


def test_a_sweep_must_be_there():
    with pytest.raises(ValueError, match="expected an existing YAML file"):
        sweep.settings(Path("nowhere.yml"))


def test_the_sweep_of_the_book_is_well_formed():
    found = sweep.settings(ROOT / "sweep" / "paper.yml")
    files = {path.name for path in (ROOT / "notebooks" / "parameters").glob("*.yml")}
    assert {setting.file.name for setting in found} == files
