"""`unlearning record`, as a user runs it: refused, interrupted, gone on with, refreshed."""

import json
import os
import signal
import time

import pytest

from tests.companion.small_clone import CHAPTER, FILE, SAYS, parts, record, start


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


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--only-seed", "7"], "--only-seed: expected one of 3, 4, 5, got 7"),
        (["--only-seed", "3", "--again"], "expected one of --again, --only-seed and --renew"),
    ],
)
def test_a_single_seed_must_be_one_of_the_record(clone, words, message):
    code, printed = record(clone, FILE, *words)
    assert code == 2
    assert message in printed
    assert not parts(clone)
