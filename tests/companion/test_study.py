"""An experiment over seeds: kept seed by seed, and gone on with only if nothing has changed."""

import pytest

from unlearning.companion import record as records
from unlearning.companion import study as studies

CONFIGURATION = {"dataset": "digits", "seeds": [3, 4, 5]}


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(monkeypatch, tmp_path):
    monkeypatch.setattr(records, "output_root", lambda: tmp_path)


class Measure:
    """Notes which seeds are really run; fails at one of them, if asked to."""

    __name__ = "measure"

    def __init__(self, fails_at=None):
        self.ran, self.fails_at = [], fails_at

    def __call__(self, seed):
        if seed == self.fails_at:
            raise KeyboardInterrupt
        self.ran.append(seed)
        yield {"seed": seed, "x": seed / 3}


@pytest.fixture(autouse=True)
def with_a_notebook_of_these_parameters(monkeypatch):
    monkeypatch.setattr(records, "_check_configuration", lambda parameters, chapter: None)


def run(measure, record="a-record", **changes):
    study = studies.Study("03", CONFIGURATION | changes, record)
    return study, study.each_seed(measure)


ROWS = [{"seed": seed, "x": seed / 3} for seed in (3, 4, 5)]


def test_without_a_name_nothing_is_kept(tmp_path):
    study, rows = run(Measure(), record="")
    study.save()
    assert rows == ROWS
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_recording_goes_on_with_the_next_seed():
    with pytest.raises(KeyboardInterrupt):
        run(Measure(fails_at=5))
    measure = Measure()
    study, rows = run(measure)
    assert measure.ran == [5]
    assert rows == ROWS  # to the last bit
    assert [entry["seed"] for entry in study.runs] == [3, 4, 5]


def test_more_seeds_can_be_added_later():
    run(Measure())
    measure = Measure()
    run(measure, seeds=[3, 6, 4])
    assert measure.ran == [6]


@pytest.mark.parametrize(
    "change",
    [
        lambda patch: patch.setattr(studies.sources, "changed", lambda used: ["a.py"]),
        lambda patch: patch.setattr(records, "notebook_hash", lambda chapter: "0" * 16),
        lambda patch: patch.setattr(
            studies.provenance,
            "environment",
            lambda: {
                "python": "3",
                "versions": {"torch": "0"},
                "instructions": "",
                "threads": 1,
                "gpu": None,
            },
        ),
    ],
    ids=["library", "notebook", "versions"],
)
def test_seeds_of_other_code_or_versions_are_run_again(monkeypatch, change):
    run(Measure())
    change(monkeypatch)
    measure = Measure()
    run(measure)
    assert measure.ran == [3, 4, 5]


def test_another_configuration_does_not_meet_these_seeds():
    run(Measure())
    measure = Measure()
    run(measure, dataset="wine")
    assert measure.ran == [3, 4, 5]


def test_a_record_holds_the_rows_of_all_parts(tmp_path):
    def other(seed):
        return [{"seed": seed, "y": 1}]

    study, _ = run(Measure())
    assert study.each_seed(other) == [{"seed": seed, "y": 1} for seed in (3, 4, 5)]
    study.save(findings=[])
    record = records.load("a-record", tmp_path / "results")
    assert len(record["values"]) == 6
    assert record["values"][0]["x"] == 1.0
    assert [run["part"] for run in record["runs"]] == ["measure"] * 3 + ["other"] * 3
    assert "base/checks.py" in record["sources"]


class Other(Measure):
    """Another function to measure with."""

    __name__ = "other"


def edit_library(monkeypatch):
    used = studies.sources.used()
    monkeypatch.setattr(studies.sources, "used", lambda: used | {"base/checks.py": "0" * 16})
    return "base/checks.py"


def edit_notebook(monkeypatch):
    monkeypatch.setattr(records, "notebook_hash", lambda chapter: "0" * 16)
    return "the notebook"


@pytest.mark.parametrize("edit", [edit_library, edit_notebook])
def test_code_that_changes_while_a_record_is_made_is_noticed(monkeypatch, tmp_path, edit):
    study, _ = run(Measure())
    changed = edit(monkeypatch)
    with pytest.raises(RuntimeError, match=f"changed while the record was being made: {changed}"):
        study.save()
    with pytest.raises(RuntimeError, match=changed):
        study.each_seed(Other())
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("seeds", [None, [], [3, 3]])
def test_seeds_are_asked_for(seeds):
    with pytest.raises(ValueError, match="configuration: expected a list 'seeds'"):
        studies.Study("03", {"seeds": seeds})
