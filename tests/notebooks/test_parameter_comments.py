"""A reader changes parameters by name: every one has a meaning, and a record keeps them all."""

import ast
import io
import tokenize

import pytest

from unlearning.companion.chapters import chapters, notebooks_folder, read_chapter

CHAPTERS = chapters(notebooks_folder())


def comments(source):
    """The comment at the end of each line, by the name that the line declares."""
    found = {}
    for line in source.splitlines():
        tokens = list(tokenize.generate_tokens(io.StringIO(line).readline))
        texts = [token.string for token in tokens if token.type == tokenize.COMMENT]
        found[tokens[0].string] = texts[0].lstrip("# ") if texts else ""
    return found


def parameters_of(cells):
    """The source of the cell with the parameters."""
    (source,) = [c.source for c in cells if "parameters" in c.metadata.get("tags", [])]
    return source


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_parameter_has_a_comment(name):
    found = comments(parameters_of(read_chapter(CHAPTERS[name]).cells))
    assert found
    assert not [parameter for parameter, text in found.items() if len(text) < 8]


def configured(cells):
    """The keys of the chapter's ``configuration``; None if it keeps no record."""
    for cell in cells:
        if cell.cell_type == "code" and "\nconfiguration = {" in cell.source:
            (given,) = [
                node.value
                for node in ast.parse(cell.source).body
                if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "configuration"
            ]
            return [key.value for key in given.keys]
    return None


@pytest.mark.parametrize("name", CHAPTERS)
def test_what_is_recorded_names_every_parameter(name):
    cells = read_chapter(CHAPTERS[name]).cells
    declared, given = comments(parameters_of(cells)), configured(cells)
    assert ("record" in declared) == (given is not None)
    if given is not None:
        assert sorted([*given, "record"]) == sorted(declared)
