"""The errata: faults in the file are named by entry and field, effects come from records only."""

import copy
import re

import pytest
import yaml

import unlearning as ul
from tests.book.site import ROOT
from unlearning.attacks import as_released
from unlearning.companion import errata

CONTENT = errata.load()
ENTRIES = CONTENT["errata"]
JUDGING = (
    "wrong|wrongly|incorrect|bug|buggy|sloppy|broken|terrible|careless|bad|badly|poor|poorly|"
    "flawed|silly|stupid|naive|trivial|obviously|clearly|unfortunately|simply|merely|mistakenly|"
    "fail|fails|failed|misleading|suspicious|sadly"
)


def load_changed(tmp_path, change):
    """Loads the list after a change was made to it."""
    content = copy.deepcopy(CONTENT)
    change(content)
    path = tmp_path / "errata.yml"
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return errata.load(path)


def test_the_list_as_it_stands_is_without_faults(tmp_path):
    assert load_changed(tmp_path, lambda content: None) == CONTENT
    assert {entry["code"] for entry in ENTRIES} == set(CONTENT["codes"])


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("kind", "blunder", "hfocu-extra-factor, kind: 'blunder' is not one of"),
        ("code", "XX", "hfocu-extra-factor, code: expected one of HF, HFa, .*, got 'XX'"),
        ("area", "nowhere", "hfocu-extra-factor, area: expected one of recursion, .*'nowhere'"),
        ("chapter", "77", "hfocu-extra-factor, chapter: expected one of 01, .*, got '77'"),
        ("chapter", 3, "hfocu-extra-factor, chapter: 3 is not of type 'string'"),
        ("says", "", "hfocu-extra-factor, says: '' should be non-empty"),
        ("remark", "x", "hfocu-extra-factor: .*'remark' was unexpected"),
        ("id", "hfocu-sample-clip", "hfocu-sample-clip, id: expected once, got 2 times"),
        ("id", "Not An Id", "Not An Id, id: .* does not match"),
        ("sum_of", ["a", "b"], "hfocu-extra-factor, sum_of: expected ids of entries, got 'a'"),
        ("sum_of", ["a"], "hfocu-extra-factor, sum_of: .* is too short"),
        ("measured", [{"record": "a"}], "extra-factor, measured, 0: 'subject' is a required"),
        ("reply", {"text": "Yes."}, "hfocu-extra-factor, reply: 'date' is a required property"),
        ("reply", {"text": "Yes.", "date": "May"}, "hfocu-extra-factor, reply, date: 'May' does"),
    ],
)
def test_a_fault_is_named_by_entry_and_field(tmp_path, field, value, message):
    with pytest.raises(ValueError, match=message):
        load_changed(tmp_path, lambda content: content["errata"][0].update({field: value}))


def test_what_is_missing_is_named_and_all_faults_are_listed(tmp_path):
    def change(content):
        del content["errata"][0]["does"]
        del content["errata"][1]["id"]
        content["codes"]["HF"]["commit"] = "main"

    with pytest.raises(ValueError, match="expected entries without faults") as raised:
        load_changed(tmp_path, change)
    message = str(raised.value)
    assert "hfocu-extra-factor: 'does' is a required property" in message
    assert "entry 2: 'id' is a required property" in message
    assert "codes, HF, commit: 'main' does not match" in message


def test_codes_and_areas_without_an_entry_are_faults(tmp_path):
    with pytest.raises(ValueError, match="areas, empty: expected an entry of it, got none"):
        load_changed(tmp_path, lambda content: content["areas"].update(empty="Nothing"))


def test_an_introduction_belongs_to_an_area(tmp_path):
    with pytest.raises(ValueError, match="introductions, nowhere: expected one of recursion, "):
        load_changed(tmp_path, lambda content: content["introductions"].update(nowhere="Text."))


def test_paths_at_another_commit_are_named_in_a_place():
    for key, code in CONTENT["codes"].items():
        places = ", ".join(entry["place"] for entry in ENTRIES if entry["code"] == key).split(", ")
        for names in code.get("elsewhere", {}).values():
            assert set(names) <= set(places)


@pytest.mark.parametrize("text", ["- a\n", "codes: [\n", ""])
def test_something_else_than_the_list_is_refused(tmp_path, text):
    path = tmp_path / "errata.yml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"^errata\.yml: expected"):
        errata.load(path)
    with pytest.raises(ValueError, match="expected a readable YAML file"):
        errata.load(tmp_path / "missing.yml")


def test_switches_are_the_librarys():
    wholes = {"AS_RELEASED", "NEWTON_AS_RELEASED", "draw_forget_set"}
    quirks = {*ul.QUIRKS, *ul.NEWTON_QUIRKS, *as_released.MIA_L, *as_released.MIA_U}
    named = {entry["switch"] for entry in ENTRIES} - {None}
    assert quirks <= named <= quirks | wholes | {"convention", "reshuffle"}
    for name in named & wholes:
        assert hasattr(ul, name)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry["id"])
def test_wording_is_sober(entry):
    words = " ".join(str(value) for value in entry.values())
    assert not re.search(rf"\b({JUDGING})\b", words, re.IGNORECASE), words
    for field in ("says", "does", "effect", "inferred"):
        assert entry.get(field, ".").endswith("."), f"{field} is a sentence"


def test_the_page_too_is_sober():
    page = (ROOT / "book" / "errata.md").read_text(encoding="utf-8")
    assert not re.search(rf"\b({JUDGING})\b", page, re.IGNORECASE)


def record(**changes):
    side = {"mean": 0.2, "low": 0.1, "high": 0.3, "count": 7}
    effect = {"subject": "it", "quantity": "distance", "setting": "m = 50"}
    effect |= {"with": side, "without": {**side, "mean": 0.1}, "change": side} | changes
    return {"stale": True, "effects": [effect, {"subject": "another"}]}


MEASURED = {"measured": [{"record": "some-record", "subject": "it"}]}


def test_effects_are_drawn_from_the_record():
    (found,) = errata.effects(MEASURED, {"some-record": record()}.get)
    assert (found.record, found.stale, found.quantity) == ("some-record", True, "distance")
    assert (found.present["mean"], found.absent["mean"], found.present["count"]) == (0.2, 0.1, 7)


@pytest.mark.parametrize("content", [None, {}, {"effects": []}, record(subject="other")])
def test_without_an_effect_in_the_record_nothing_was_measured(content):
    assert errata.effects(MEASURED, {"some-record": content}.get) == []
    assert errata.effects({}, {}.get) == []


def test_half_an_effect_is_refused():
    half = record(without={"mean": 0.1})
    with pytest.raises(ValueError, match="record some-record, effect it: .* none for 'low'"):
        errata.effects(MEASURED, {"some-record": half}.get)
