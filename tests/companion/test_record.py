"""Records: whole or not at all, with their provenance, and stale when the code has changed."""

import json
import math

import pytest

from unlearning.base import provenance
from unlearning.companion import record

PARAMETERS = {"dataset": "mnist", "seeds": [42, 930]}


def save(folder, values=None, name="a-record"):
    return record.save(
        name,
        chapter="03",
        parameters=PARAMETERS,
        values=values or {"x": 1.5},
        seconds=2.04,
        folder=folder,
    )


def test_what_is_saved_comes_back_with_provenance(tmp_path):
    path = save(tmp_path)
    found = record.load("a-record", tmp_path)
    assert found["values"] == {"x": 1.5}
    assert found["parameters"] == PARAMETERS
    assert found["chapter"] == "03_affine_recursion"
    assert found["configuration_hash"] == provenance.configuration_hash(PARAMETERS)
    assert not found["stale"]
    assert {"torch", "numpy"} <= set(found["environment"]["versions"])
    assert list(tmp_path.iterdir()) == [path]
    assert "STALE" not in record.describe(found)


def test_a_record_of_other_code_is_stale(tmp_path):
    path = save(tmp_path)
    changed = json.loads(path.read_text()) | {"source_hash": "0" * 16}
    path.write_text(json.dumps(changed))
    found = record.load("a-record", tmp_path)
    assert found["stale"]
    assert "STALE" in record.describe(found)


def test_there_may_be_none(tmp_path):
    assert record.load("never-made", tmp_path) is None


@pytest.mark.parametrize("values", [{"x": math.nan}, {"x": object()}])
def test_values_must_be_plain_and_finite(tmp_path, values):
    save(tmp_path)
    before = (tmp_path / "a-record.json").read_text()
    with pytest.raises(ValueError, match="values: expected plain finite numbers"):
        save(tmp_path, values)
    assert (tmp_path / "a-record.json").read_text() == before


@pytest.mark.parametrize("name", ["", "../up", "a b", "ä"])
def test_names_are_plain(tmp_path, name):
    with pytest.raises(ValueError, match="name: expected letters, digits and hyphens"):
        save(tmp_path, name=name)


def test_hash_of_the_configuration_ignores_the_order_of_keys_and_nothing_else():
    same = dict(reversed(PARAMETERS.items()))
    other = {**PARAMETERS, "seeds": [930, 42]}
    assert provenance.configuration_hash(same) == provenance.configuration_hash(PARAMETERS)
    assert provenance.configuration_hash(other) != provenance.configuration_hash(PARAMETERS)
