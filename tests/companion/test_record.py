"""Records: whole or not at all, with their provenance, and stale when the code has changed."""

import json
import math
import symtable

import pytest

from unlearning.base import provenance, sources
from unlearning.companion import record
from unlearning.companion.chapters import (
    chapters,
    find_chapter,
    notebooks_folder,
    read_chapter,
)
from unlearning.companion.parameters import parameters_from_file

FILE = notebooks_folder() / "parameters" / "paper-derivative.yml"
NAME = "affine-recursion-derivative"
PARAMETERS = parameters_from_file(FILE)
RUNS = [
    {"seed": 42, "seconds": 1.02, "commit": "abc", "date": "2026-01-02"},
    {"seed": 930, "seconds": 1.02, "commit": "def", "date": "2026-01-03"},
]


def save(folder, values=None, name=NAME):
    return record.save(
        name,
        chapter="03",
        parameters=PARAMETERS,
        runs=RUNS,
        used=sources.used(),
        values=values or [{"x": 1.23456789, "y": "b"}],
        folder=folder,
    )


def test_what_is_saved_comes_back_with_provenance(tmp_path):
    path = save(tmp_path)
    found = record.load(NAME, tmp_path)
    assert found["values"] == [{"x": 1.23457, "y": "b"}]  # six digits
    assert found["parameters"] == PARAMETERS
    assert found["chapter"] == "03_affine_recursion"
    assert found["configuration_hash"] == provenance.configuration_hash(PARAMETERS)
    assert (found["commit"], found["date"], found["seconds"]) == ("abc, def", "2026-01-03", 2.0)
    assert found["stale"] == []
    assert {"torch", "numpy"} <= set(found["environment"]["versions"])
    assert list(tmp_path.iterdir()) == [path]
    assert "STALE" not in record.describe(found)
    assert record.command(found) == (
        "unlearning record 03 -f notebooks/parameters/paper-derivative.yml"
    )


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("sources", {"base/checks.py": "0" * 16}, "base/checks.py"),
        ("notebook", "0" * 16, "the code of 03_affine_recursion"),
        ("chapter", "77_gone", "77_gone is gone"),
        ("content_hash", "0" * 16, "the record itself"),
        ("values", [{"x": 0.0}], "the record itself"),
        ("findings", [{"mean": 0.0}], "the record itself"),
        ("effects", [{"mean": 0.0}], "the record itself"),
        ("commit", "another", "the record itself"),
        ("parameters", {**PARAMETERS, "epochs": 99}, "parameter epochs"),
        ("name", "affine-recursion-other", "the parameter file is gone"),
    ],
)
def test_what_has_changed_since_makes_a_record_stale(tmp_path, field, value, reason):
    path = save(tmp_path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    found = record.load(NAME, tmp_path)
    assert reason in found["stale"]
    assert "STALE" in record.describe(found)


def test_a_record_of_an_older_form_is_stale_and_decides_nothing(tmp_path):
    path = save(tmp_path)
    old = json.loads(path.read_text()) | {"findings": [{"claim": "x"}]}
    del old["content_hash"]
    path.write_text(json.dumps(old))
    found = record.load(NAME, tmp_path)
    assert found["stale"] == ["the form of records"]
    assert found["findings"] == []


def test_every_parameter_of_the_notebook_belongs_to_a_record(tmp_path):
    with pytest.raises(ValueError, match="parameters: expected those of the notebook, .*'epochs'"):
        record.save(
            NAME,
            chapter="03",
            parameters={k: v for k, v in PARAMETERS.items() if k != "epochs"},
            runs=RUNS,
            used={},
            values=[],
            folder=tmp_path,
        )


def test_each_row_stands_on_a_line_of_its_own(tmp_path):
    rows = [{"x": i} for i in range(3)]
    lines = save(tmp_path, rows).read_text().splitlines()
    assert [line.strip(" ,") for line in lines if '"x"' in line] == [json.dumps(r) for r in rows]


def test_there_may_be_none(tmp_path):
    assert record.load("never-made", tmp_path) is None
    assert record.load_all(tmp_path) == {}


@pytest.mark.parametrize("values", [[{"x": math.nan}], [{"x": object()}]])
def test_values_must_be_plain_and_finite(tmp_path, values):
    path = save(tmp_path)
    before = path.read_text()
    with pytest.raises(ValueError, match="values: expected plain finite numbers"):
        save(tmp_path, values)
    assert path.read_text() == before


@pytest.mark.parametrize("name", ["", "../up", "a b", "ä", "Upper"])
def test_names_are_plain(tmp_path, name):
    with pytest.raises(ValueError, match="name: expected lower-case letters, digits and hyphens"):
        save(tmp_path, name=name)


def test_only_what_computes_counts_in_a_notebook(monkeypatch):
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    def hash_of(*cells):
        notebook = new_notebook(cells=list(cells))
        monkeypatch.setattr(record, "_notebook", lambda chapter: notebook)
        return record.notebook_hash("03")

    def plot(text):
        return new_code_cell(text, metadata={"tags": ["hide-input"]})

    code, save_cell = new_code_cell("x = 1"), new_code_cell("study.save()")
    first = hash_of(new_markdown_cell("a"), plot("a"), code, save_cell, new_code_cell("show"))
    assert hash_of(new_markdown_cell("b"), plot("b"), code, save_cell) == first
    assert hash_of(new_code_cell("x = 2"), save_cell) != first
    assert hash_of(code, new_code_cell("study.save(effects=[])")) != first


def test_hash_of_the_configuration_ignores_the_order_of_keys_and_nothing_else():
    same = dict(reversed(PARAMETERS.items()))
    other = {**PARAMETERS, "seeds": [930, 42]}
    assert provenance.configuration_hash(same) == provenance.configuration_hash(PARAMETERS)
    assert provenance.configuration_hash(other) != provenance.configuration_hash(PARAMETERS)


@pytest.mark.parametrize("name", chapters(notebooks_folder()))
def test_plots_before_a_record_is_saved_compute_nothing_for_it(name):
    """They do not count in its hash, so what they assign must not be read by what counts."""
    cells = read_chapter(find_chapter(name, notebooks_folder())).cells
    ends = [i for i, cell in enumerate(cells) if record.SAVING in cell.source]
    plotted = set()
    for cell in cells[: ends[0] + 1 if ends else 0]:
        if cell.cell_type == "code":
            given, taken = names(cell.source)
            if "hide-input" in cell.metadata.get("tags", []):
                plotted |= given
            else:
                assert not plotted & taken, cell.source
                plotted -= given


def names(source):
    """Names that a cell gives to later ones, functions too, and those it takes."""
    top = symtable.symtable(source, "cell", "exec")
    given = {s.get_name() for s in top.get_symbols() if s.is_assigned() or s.is_imported()}
    taken, tables = set(), [top]
    while tables:
        table = tables.pop()
        read = [s for s in table.get_symbols() if s.is_referenced()]
        taken |= {s.get_name() for s in read if table is top or s.is_global()}
        tables += table.get_children()
    # What a cell assigns itself it can do before it reads.
    return given, taken - given


def test_names_given_and_taken():
    source = (
        "import os\nx = [a for a in b]\ndef f(c):\n    d = e\n    return c + d\nfor i in x: f(i)"
    )
    assert names(source) == ({"os", "x", "f", "i"}, {"b", "e"})


@pytest.mark.parametrize("name", record.load_all())
def test_committed_records_were_made_from_a_clean_commit(name):
    assert "+" not in record.load(name)["commit"]
