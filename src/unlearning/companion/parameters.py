"""A chapter's parameters: reading their declaration, checking what a reader asks for.

Papermill itself only warns about an unknown name and takes any type, so a misspelt parameter
would yield a page of the default values under the wrong title. Here both are refused.
"""

import ast
import io
import math
import tokenize
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import nbformat
import yaml

SCALARS = (bool, int, float, str, type(None))


@dataclass(frozen=True)
class Parameter:
    """One line of a parameters cell.

    Its name, its default, whether `None` is allowed, and what its comment says about it.
    """

    name: str
    default: Any
    optional: bool = False
    meaning: str = ""


def declared_parameters(notebook: nbformat.NotebookNode) -> dict[str, Parameter]:
    """Reads what the notebook's cell tagged `parameters` declares, without running it.

    Raises:
        ValueError: If there is not exactly one such cell, or if a line of it is anything but
            `name = literal` or `name: type = literal` with a scalar or a list of scalars.
    """
    cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    if len(cells) != 1:
        raise ValueError(f"notebook: expected one cell tagged 'parameters', got {len(cells)}")
    found: dict[str, Parameter] = {}
    comments = _comments(cells[0].source)
    for statement in ast.parse(cells[0].source).body:
        meaning = comments.get(statement.end_lineno, "")
        parameter = replace(_declaration(statement), meaning=meaning)
        if parameter.name in found:
            raise ValueError(f"parameters cell: {parameter.name} is assigned twice")
        found[parameter.name] = parameter
    return found


def _comments(source: str) -> dict[int, str]:
    """The comments of a cell, by line."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    found = [token for token in tokens if token.type == tokenize.COMMENT]
    return {token.start[0]: token.string.lstrip("# ") for token in found}


def _declaration(statement: ast.stmt) -> Parameter:
    """Turns one line of the parameters cell into a `Parameter`."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            optional = False
        case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
            optional = "None" in ast.unparse(statement.annotation)
        case _:
            raise ValueError(_not_a_literal(statement))
    try:
        default = ast.literal_eval(value)
    except ValueError:
        raise ValueError(_not_a_literal(statement)) from None
    if not _is_flat(default):
        raise ValueError(_not_a_literal(statement))
    return Parameter(name, default, optional)


def _not_a_literal(statement: ast.stmt) -> str:
    return (
        f"parameters cell, line {statement.lineno}: expected 'name = literal' with a number, "
        f"string, bool, None or a list of them, got {ast.unparse(statement)!r}"
    )


def _is_flat(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(isinstance(item, SCALARS) for item in value)
    return isinstance(value, SCALARS)


def parameters_from_file(path: Path) -> dict[str, Any]:
    """Reads a YAML file of `name: value` lines.

    Raises:
        ValueError: If the file is missing, is not YAML, or is not such a list of lines.
    """
    if not path.is_file():
        raise ValueError(f"parameter file: expected an existing file, got {str(path)!r}")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"parameter file {str(path)!r}: not readable as YAML: {error}") from None
    content = {} if content is None else content
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise ValueError(
            f"parameter file {str(path)!r}: expected lines 'name: value', "
            f"got {_describe(content)} at its top"
        )
    return content


def parameters_from_options(options: Iterable[str], declared: Mapping[str, Parameter]) -> dict:
    """Reads `name=value` words as given on the command line; values are YAML.

    Where a string is declared the text is taken as it stands, so that `no` or `1.10` stay text.

    Raises:
        ValueError: If a word has no `=`, names a parameter twice, or its value is not YAML.
    """
    given: dict[str, Any] = {}
    for option in options:
        name, equals, text = option.partition("=")
        if not equals or not name.isidentifier():
            raise ValueError(f"-p: expected name=value, got {option!r}")
        if name in given:
            raise ValueError(f"-p: {name} is given twice")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            raise ValueError(f"-p {name}: expected a YAML value, got {text!r}") from None
        wants_text = name in declared and isinstance(declared[name].default, str)
        given[name] = text if wants_text and not isinstance(value, str) else value
    return given


def check_parameters(
    given: Mapping[str, Any], declared: Mapping[str, Parameter], of: str = "this notebook"
) -> dict[str, Any]:
    """Checks names and types against the declaration.

    A whole number is fine where a float is declared (it becomes one); a declared `None` takes
    any literal.

    Returns:
        The values to run with.

    Raises:
        ValueError: On an unknown name (the known ones are listed) or a wrong type.
    """
    for name in given:
        if name not in declared:
            listing = ", ".join(f"{p.name} ({type_name(p)})" for p in declared.values())
            raise ValueError(
                f"parameter {name!r}: {of} has no such parameter; it has: {listing or 'none'}"
            )
    return {name: _checked(value, declared[name]) for name, value in given.items()}


def _checked(value: Any, parameter: Parameter) -> Any:
    default = parameter.default
    if value is None and (parameter.optional or default is None):
        return None
    if default is None:
        if _is_flat(value):
            return value
    elif isinstance(default, list | tuple):
        if isinstance(value, list | tuple) and (items := _checked_items(value, parameter)):
            return items[0]
    elif (scalar := _as_type(value, type(default))) is not None:
        return scalar
    raise ValueError(
        f"parameter {parameter.name!r}: expected {type_name(parameter)}, "
        f"got {_describe(value)}{_hint(value, default)}"
    )


def _checked_items(values: Iterable[Any], parameter: Parameter) -> tuple[list] | None:
    """Checks a list's items against the declared list's; returns the list in a 1-tuple."""
    default = parameter.default
    if not default:
        return (list(values),) if _is_flat(list(values)) else None
    # A list of floats is often declared with a whole number among them: [0, 0.5].
    kinds = {type(item) for item in default}
    kind = float if kinds == {int, float} else type(default[0])
    items = [_as_type(value, kind) for value in values]
    return None if any(item is None for item in items) else (items,)


def _as_type(value: Any, kind: type) -> Any:
    """Returns `value` as a `kind`, or None where it is something else."""
    if kind is float and type(value) in (int, float):
        return float(value)
    return value if type(value) is kind else None


def type_name(parameter: Parameter) -> str:
    """What a parameter takes, in words."""
    default = parameter.default
    if default is None:
        return "anything"
    name = type(default).__name__
    if isinstance(default, list | tuple):
        inner = sorted({type(item).__name__ for item in default})
        name = f"list of {' or '.join(inner)}" if inner else "list"
    return f"{name} or null" if parameter.optional else name


def _describe(value: Any) -> str:
    return "null" if value is None else f"{type(value).__name__} {value!r}"


def _hint(value: Any, default: Any) -> str:
    """Explains the one trap of YAML that everybody meets: 1e-3 is a string there."""
    texts = value if isinstance(value, list) else [value]
    numbers = default if isinstance(default, list | tuple) else [default]
    if any(isinstance(n, float) for n in numbers) and any(_reads_as_float(t) for t in texts):
        return "; YAML takes 1e-3 for text, so write 1.0e-3"
    return ""


def _reads_as_float(text: Any) -> bool:
    try:
        return isinstance(text, str) and math.isfinite(float(text))
    except ValueError:
        return False
