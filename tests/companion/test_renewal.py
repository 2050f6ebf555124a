"""`unlearning record --renew`: a record outlives a change of code that changes no result."""

import json

import pytest

from tests.companion.small_clone import CHAPTER, FILE, parts, record
from unlearning.companion.record import content_hash
from unlearning.companion.renewal import _compare

RESULT = "results/study-small.json"
SAME, OTHER = ("scale * seed", "seed * scale"), ("scale * seed", "scale + seed")


@pytest.fixture
def recorded(clone):
    code, printed = record(clone, FILE)
    assert code == 0, printed
    for path in parts(clone).values():
        path.unlink()
    return clone


def change(clone, old, new):
    chapter = clone / "notebooks" / "07_study.md"
    chapter.write_text(CHAPTER.replace(old, new))


def test_one_seed_that_measures_the_same_renews_the_record(recorded):
    before = json.loads((recorded / RESULT).read_text())
    change(recorded, *SAME)
    code, printed = record(recorded, FILE, "--renew", "4")
    assert code == 0, printed
    assert "Seed 4 run again" in printed
    assert "STALE" not in printed
    after = json.loads((recorded / RESULT).read_text())
    assert after["values"] == before["values"]
    assert after["notebook"] != before["notebook"]
    assert after["renewed"]["seed"] == 4
    assert after["environment"] == before["environment"]
    assert after["renewed"]["environment"]["python"]
    assert set(parts(recorded)) == {"seed-4-measure.json"}, "the others were not measured now"
    assert after["content_hash"] == content_hash(after)
    old, new = ({run["seed"]: run for run in r["runs"]} for r in (before, after))
    assert [new[seed] == old[seed] for seed in (3, 5)] == [True, True]
    assert "up to date" in record(recorded, FILE)[1]


def test_a_difference_is_shown_and_the_record_stays(recorded):
    before = (recorded / RESULT).read_bytes()
    change(recorded, *OTHER)
    code, printed = record(recorded, FILE, "--renew", "4")
    assert code == 2
    assert "what the record has of seed 4, {'x': 8.0}, got {'x': 6.0}" in printed
    assert (recorded / RESULT).read_bytes() == before
    assert set(parts(recorded)) == {"seed-4-measure.json"}


@pytest.mark.parametrize(
    ("damage", "seed", "message"),
    [
        (None, 7, "expected one of [3, 4, 5], got 7"),
        ("gone", 4, "expected a record that has been made, got no results/study-small.json"),
        ("edited", 4, "since which only code has changed, got the record itself"),
        ("parameter", 4, "since which only code has changed, got parameter scale"),
    ],
)
def test_what_cannot_be_renewed_is_refused(recorded, damage, seed, message):
    path, file = recorded / RESULT, recorded / FILE
    change(recorded, *SAME)
    if damage == "gone":
        path.unlink()
    if damage == "edited":
        path.write_text(path.read_text().replace('"x": 6.0', '"x": 6.5'))
    if damage == "parameter":
        file.write_text(file.read_text().replace("scale: 2.0", "scale: 3.0"))
    code, printed = record(recorded, FILE, "--renew", str(seed))
    assert code == 2
    assert message in printed.replace("\n", " ")
    assert not parts(recorded)


def test_a_measurement_that_has_no_rows_renews_with_the_others(clone):
    idle = "def idle(seed):\n    return []\n\n\nstudy.each_seed(idle)\nstudy.save()"
    with_idle = CHAPTER.replace("study.save()", idle)
    chapter = clone / "notebooks" / "07_study.md"
    chapter.write_text(with_idle)
    assert record(clone, FILE)[0] == 0
    before = json.loads((clone / RESULT).read_text())
    chapter.write_text(with_idle.replace(*SAME))
    code, printed = record(clone, FILE, "--renew", "4")
    assert code == 0, printed
    after = json.loads((clone / RESULT).read_text())
    assert after["values"] == before["values"]
    assert [run["part"] for run in after["runs"]] == ["measure"] * 3 + ["idle"] * 3


def test_times_stay_as_they_were_recorded(clone):
    timed = (
        "import time\n\n\ndef times(seed):\n    yield {'seed': seed, 'cpu ms': time.time()}\n\n\n"
    )
    text = CHAPTER.replace("study.save()", f"{timed}study.each_seed(times)\nstudy.save()")
    (clone / "notebooks" / "07_study.md").write_text(text)
    assert record(clone, FILE)[0] == 0
    before = json.loads((clone / RESULT).read_text())
    for path in parts(clone).values():
        path.unlink()
    (clone / "notebooks" / "07_study.md").write_text(text.replace(*SAME))
    code, printed = record(clone, FILE, "--renew", "4")
    assert code == 0, printed
    after = json.loads((clone / RESULT).read_text())
    assert after["values"] == before["values"]
    assert after["renewed"]["seed"] == 4
    times = [run for run in after["runs"] if run["part"] == "times"]
    assert times == [run for run in before["runs"] if run["part"] == "times"]
    assert set(parts(clone)) == {"seed-4-measure.json"}, "old times must not be taken for new ones"


@pytest.mark.parametrize(
    ("now", "timed"),
    [
        ({"y": 1.0, "ms": 5.0}, True),
        ({"y": 2.0, "ms": 3.0}, None),
        ({"y": 1.0, "sums": 3.0}, None),
        ({"y": 1.0}, None),
        ({"y": 1.0, "ms": 3.0, "rhythms": 1.0}, None),
    ],
)
def test_beside_times_everything_is_compared(now, timed):
    said = [{"seed": 4, "y": 1.0, "ms": 3.0}]
    if timed is None:
        with pytest.raises(ValueError, match="what the record has of seed 4"):
            _compare(4, said, [{"seed": 4} | now])
    else:
        assert _compare(4, said, [{"seed": 4} | now]) is timed


def test_rows_without_times_say_so():
    assert _compare(4, [{"alarms": 1.0}], [{"alarms": 1.0}]) is False
