"""nbval runs the code inside the references: these must be the chapters, executed."""

import pytest

from tests.notebooks.references import NOTEBOOKS, REFERENCES, is_checked, read
from unlearning.companion.chapters import chapters, read_chapter
from unlearning.companion.parameters import declared_parameters

CHAPTERS = chapters(NOTEBOOKS)
each_chapter = pytest.mark.parametrize("name", CHAPTERS)


def text_of(notebook):
    return [(c.cell_type, c.source, c.metadata.get("tags", [])) for c in notebook.cells]


@each_chapter
def test_reference_is_in_step_with_its_chapter(name):
    path = REFERENCES / f"{name}.ipynb"
    assert path.is_file(), "no reference yet: run `make references`"
    expected = text_of(read_chapter(CHAPTERS[name]))
    assert text_of(read(path)) == expected, "stale reference: run `make references`"


@each_chapter
def test_reference_was_executed_to_the_end(name):
    cells = [c for c in read(REFERENCES / f"{name}.ipynb").cells if c.cell_type == "code"]
    assert [c.execution_count for c in cells] == list(range(1, len(cells) + 1))
    assert not [o for c in cells for o in c.outputs if o.output_type == "error"]


@each_chapter
def test_reference_has_an_output_to_compare(name):
    checked = [c for c in read(REFERENCES / f"{name}.ipynb").cells if is_checked(c)]
    assert any(cell.outputs for cell in checked)
    assert all(o.output_type != "stream" or o.name == "stdout" for c in checked for o in c.outputs)


def test_every_reference_has_a_chapter():
    assert {path.stem for path in REFERENCES.glob("*.ipynb")} == set(CHAPTERS)


@each_chapter
def test_chapter_declares_flat_literals_in_one_parameters_cell(name):
    assert declared_parameters(read_chapter(CHAPTERS[name]))


@each_chapter
def test_chapter_is_listed_in_the_table_of_contents(name):
    contents = (NOTEBOOKS.parent / "book" / "_toc.yml").read_text(encoding="utf-8")
    assert f"file: notebooks/{name}\n" in contents


@each_chapter
def test_chapter_has_no_outputs_and_little_front_matter(name):
    front_matter = CHAPTERS[name].read_text(encoding="utf-8").split("---\n")[1]
    keys = [line.split(":")[0] for line in front_matter.splitlines() if line[:1].strip()]
    assert sorted(keys) == ["jupytext", "kernelspec"]


def test_every_parameter_file_fits_a_chapter():
    from unlearning.companion.parameters import check_parameters, parameters_from_file

    declared = [declared_parameters(read_chapter(path)) for path in CHAPTERS.values()]
    for path in (NOTEBOOKS / "parameters").glob("*.yml"):
        given = parameters_from_file(path)
        fitting = [d for d in declared if set(given) <= set(d)]
        assert fitting, f"{path.name}: no chapter has all of {sorted(given)}"
        check_parameters(given, fitting[0])


@each_chapter
def test_code_fits_the_width_of_a_page(name):
    cells = [c for c in read_chapter(CHAPTERS[name]).cells if c.cell_type == "code"]
    assert [line for c in cells for line in c.source.splitlines() if len(line) > 86] == []
