"""Reading a parameters cell, and checking what a reader asks for against it."""

import nbformat.v4 as nb
import pytest

from unlearning.companion.parameters import (
    check_parameters,
    declared_parameters,
    parameters_from_file,
    parameters_from_options,
)


def notebook(*cells):
    made = [nb.new_code_cell(source, metadata={"tags": ["parameters"]}) for source in cells]
    return nb.new_notebook(cells=[*made, nb.new_code_cell("x = undefined")])


DECLARED = declared_parameters(
    notebook(
        "# a comment\n"
        "name = 'digits'\ncount = 300\nrate = -0.05\nflag = True\nclip: float | None = 5.0\n"
        "rates = [0, 0.05]\nlayers = [32, 16]\nempty = []\nfree = None\n"
    )
)


def options(*words):
    return check_parameters(parameters_from_options(words, DECLARED), DECLARED)


def test_declaration_is_read_without_running_it():
    assert {name: p.default for name, p in DECLARED.items()} == {
        "name": "digits", "count": 300, "rate": -0.05, "flag": True, "clip": 5.0,
        "rates": [0, 0.05], "layers": [32, 16], "empty": [], "free": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    "source",
    ["a = 1 + 1", "a = f()", "import os", "a, b = 1, 2", "a = {'b': 1}", "a = [[1]]", "a: int"],
)
def test_declaration_takes_flat_literals_only(source):
    with pytest.raises(ValueError, match="line 2: expected 'name = literal'"):
        declared_parameters(notebook(f"ok = 1\n{source}"))


def test_declaration_is_in_one_cell_and_names_each_parameter_once():
    with pytest.raises(ValueError, match="expected one cell tagged 'parameters', got 2"):
        declared_parameters(notebook("a = 1", "b = 2"))
    with pytest.raises(ValueError, match="got 0"):
        declared_parameters(notebook())
    with pytest.raises(ValueError, match="a is assigned twice"):
        declared_parameters(notebook("a = 1\na = 2"))


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("name=mnist", "mnist"),
        ("name=no", "no"),  # a bool in YAML, text where text is declared
        ("name=1.10", "1.10"),
        ("name=a=b", "a=b"),
        ("count=1000", 1000),
        ("rate=1", 1.0),
        ("rate=1.0e-3", 1e-3),
        ("flag=false", False),
        ("clip=null", None),
        ("clip=2", 2.0),
        ("rates=[1, 0.5]", [1.0, 0.5]),
        ("layers=[8]", [8]),
        ("layers=[]", []),
        ("empty=[1, a]", [1, "a"]),
        ("free=[1, 2]", [1, 2]),
        ("free=text", "text"),
        ("free=", None),
    ],
)
def test_values_take_the_declared_type(word, value):
    (taken,) = options(word).values()
    assert taken == value
    assert type(taken) is type(value)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("count=many", "'count': expected int, got str 'many'"),
        ("count=1.5", "'count': expected int, got float 1.5"),
        ("count=true", "'count': expected int, got bool True"),
        ("count=null", "'count': expected int, got null"),
        ("flag=1", "'flag': expected bool, got int 1"),
        ("rate=1e-3", "'rate': expected float, got str '1e-3'; .* write 1.0e-3"),
        ("rate=true", "'rate': expected float, got bool"),
        ("clip=x", "'clip': expected float or null, got str 'x'"),
        ("rates=0.5", "'rates': expected list of float or int, got float 0.5"),
        ("rates=[1e-3]", "'rates': expected list .*; YAML .* write 1.0e-3"),
        ("layers=[1.5]", r"'layers': expected list of int, got list \[1.5\]"),
        ("free={a: 1}", "'free': expected anything"),
    ],
)
def test_wrong_types_say_what_was_expected_and_what_came(word, message):
    with pytest.raises(ValueError, match=message):
        options(word)


def test_unknown_name_lists_the_right_ones():
    with pytest.raises(ValueError, match="'cuont'.*name .str., count .int., rate .float."):
        options("cuont=3")


@pytest.mark.parametrize("word", ["count", "=3", "two words=3"])
def test_option_needs_a_name_and_a_value(word):
    with pytest.raises(ValueError, match="expected name=value"):
        options(word)


def test_option_is_given_once_and_in_yaml():
    with pytest.raises(ValueError, match="count is given twice"):
        options("count=1", "count=2")
    with pytest.raises(ValueError, match=r"expected a YAML value, got '\[1'"):
        options("rates=[1")


@pytest.mark.parametrize(
    ("content", "message"),
    [("- a\n", "got list"), ("1: 2\n", "got dict"), ("a: [\n", "not readable"), ("a", "got str")],
)
def test_parameter_file_is_a_list_of_names_and_values(tmp_path, content, message):
    path = tmp_path / "p.yml"
    path.write_text(content)
    with pytest.raises(ValueError, match=message):
        parameters_from_file(path)


def test_parameter_file_may_be_empty_but_must_exist(tmp_path):
    (tmp_path / "p.yml").write_text("# nothing yet\n")
    assert parameters_from_file(tmp_path / "p.yml") == {}
    with pytest.raises(ValueError, match="expected an existing file, got .*missing.yml"):
        parameters_from_file(tmp_path / "missing.yml")
