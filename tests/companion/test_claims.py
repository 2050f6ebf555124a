"""The list of claims: its form, and the faults that must not pass."""

import copy

import pytest
import yaml

from unlearning.companion import claims
from unlearning.companion.chapters import book_root, chapters, notebooks_folder

CONTENT = yaml.safe_load((book_root() / "claims.yml").read_text(encoding="utf-8"))


def load(tmp_path, content):
    path = tmp_path / "claims.yml"
    path.write_text(yaml.safe_dump(content), encoding="utf-8")
    return claims.load(path)


def claim(content, name="hfocu-theorem-1"):
    return next(c for c in content["claims"] if c["id"] == name)


def without(field):
    return lambda content: claim(content).pop(field)


def with_value(field, value, name="hfocu-theorem-1"):
    return lambda content: claim(content, name).__setitem__(field, value)


def doubled(content):
    content["claims"].append(copy.deepcopy(claim(content)))


def criterion(field, value):
    return lambda content: claim(content)["criteria"][0].__setitem__(field, value)


PLANTED = [
    (without("chapter"), "hfocu-theorem-1: 'chapter' is a required property"),
    (with_value("chapter", "77"), "hfocu-theorem-1: chapter 77 is neither written nor planned"),
    (without("refutes"), "hfocu-theorem-1: 'refutes' is a required property"),
    (without("source"), "hfocu-theorem-1: 'source' is a required property"),
    (with_value("kind", "hunch"), "hfocu-theorem-1, kind: 'hunch' is not one of"),
    (with_value("paper", "other"), "hfocu-theorem-1: paper: expected one of hfocu, saps"),
    (with_value("stands_for", 2), "hfocu: expected entries for 22 statements, got 23"),
    (
        with_value("not_testable", "no run can decide it"),
        "hfocu-theorem-1, criteria, 0: 'decides' is a required property",
    ),
    (doubled, "hfocu-theorem-1: stands twice"),
    (criterion("protocol", "nowhere"), "hfocu-theorem-1: criteria.gap: unknown protocol nowhere"),
    (
        criterion("needs", ["power"]),
        "hfocu-theorem-1: criteria.gap: needs power, no control of this claim",
    ),
    (criterion("above", 1.0), "hfocu-theorem-1, criteria, 0: "),
    (
        lambda content: content["protocols"]["additivity-logistic"].update(parameters="paper-no"),
        "protocols.additivity-logistic: expected the file notebooks/parameters/paper-no.yml",
    ),
    (lambda content: content["planned"].update({"03": "?"}), "planned.03: this chapter is written"),
]


@pytest.mark.parametrize(("plant", "message"), PLANTED)
def test_a_planted_fault_is_found_and_its_place_named(tmp_path, plant, message):
    content = copy.deepcopy(CONTENT)
    plant(content)
    with pytest.raises(ValueError, match="claims.yml:") as refused:
        load(tmp_path, content)
    assert message in str(refused.value)


def test_the_list_itself_has_no_fault():
    known = claims.load()
    assert len(known.claims) == len(CONTENT["claims"])
    assert {claim.paper for claim in known.claims.values()} == {"hfocu", "saps", "summary"}


def test_every_named_item_of_the_papers_has_its_entry():
    places = [claim.place for claim in claims.load().claims.values()]
    named = ["Definition 1", "Theorem 1", "Lemma 2", "Lemma 3", "Theorem 4", "Corollary 5"]
    named += ["Theorem 6", "Definition 2", "Theorem 7", "Theorem 8"]
    named += [f"Figure {number}" for number in range(1, 13)]
    named += [f"Algorithm {number}" for number in (1, 2, 3)]
    for name in named:
        found = [p for p in places if p == name or p.startswith((f"{name},", f"{name}("))]
        assert found, name


def test_what_is_looked_up_and_not_there_is_named():
    with pytest.raises(ValueError, match="claim: expected one of .*, got 'hfocu-theorem-99'"):
        claims.load()["hfocu-theorem-99"]
    with pytest.raises(ValueError, match="criterion: expected one of gap, got 'gop'"):
        claims.load()["hfocu-theorem-1"].criterion("gop")


def test_protocols_say_the_command_that_makes_their_record():
    protocol = claims.load().protocols["verification-logistic"]
    assert protocol.command == (
        "unlearning record 09 -f notebooks/parameters/paper-mnist-logistic.yml"
    )
    assert claims.record_of(protocol) == "verification-mnist-logistic"


def test_criteria_belong_to_written_chapters():
    written = {name[:2] for name in chapters(notebooks_folder())}
    for claim in claims.load().claims.values():
        assert not claim.criteria or claim.chapter in written, claim.id
