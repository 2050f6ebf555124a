"""Which of the library's files a run has used, and whether their code has changed since.

A run depends on the files it imports, not on those that stand beside them; and on their code, not
on comments and docstrings. So a record stays fresh while the rest of the library grows.
"""

import ast
import functools
import io
import sys
import tokenize
from collections.abc import Iterable, Mapping
from pathlib import Path

from unlearning.base.provenance import PACKAGE, digest

# These say how a result came about, or show it, or keep it on disk (as the same bits, which tests
# see to), and take no part in it.
BOOKKEEPING = {
    "_homes.py",
    "base/blocks.py",
    "base/checkpoint.py",
    "base/durable.py",
    "base/locks.py",
    "base/progress.py",
    "base/provenance.py",
    "base/revision.py",
    "base/shards.py",
    "base/sources.py",
    "hfocu/work.py",
}
# Of the top floor, what turns measurements into the numbers that a record keeps.
COMPUTING_COMPANIONS = {"companion/criteria.py", "companion/study.py"}


def used() -> dict[str, str]:
    """Digests, by path below the package, of the computing files this process has imported."""
    modules = [m for name, m in sys.modules.items() if f"{name}.".startswith("unlearning.")]
    files = {Path(m.__file__).resolve() for m in modules if getattr(m, "__file__", None)}
    names = sorted(f.relative_to(PACKAGE).as_posix() for f in files if f.is_relative_to(PACKAGE))
    return {name: _digest_of(name) for name in names if computes(name)}


def computes(name: str) -> bool:
    """Whether a file, given by its path below the package, takes part in results."""
    if name.startswith("companion/"):
        return name in COMPUTING_COMPANIONS
    return name not in BOOKKEEPING


def everything() -> dict[str, str]:
    """Digests of all computing files as they are on the disk now, imported or not."""
    names = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
    return {name: _digest_of(name) for name in names if computes(name)}


def changed(recorded: Mapping[str, str]) -> list[str]:
    """The files among ``recorded`` (as ``used`` gave them) that are gone or have other code now."""
    return [name for name, before in sorted(recorded.items()) if _digest_of(name) != before]


def digest_of_code(texts: Iterable[str]) -> str:
    """Digest of pieces of code, comments and docstrings left out."""
    return digest(*(code_only(text) for text in texts))


def _digest_of(name: str) -> str:
    path = PACKAGE / name
    return digest(code_only(path.read_text(encoding="utf-8"))) if path.is_file() else "gone"


@functools.lru_cache(maxsize=2048)  # a book asks for the same files once a record
def code_only(text: str) -> str:
    """Python source without comments, docstrings and blank lines; other text comes back as it is.

    It cuts the source rather than printing its syntax tree anew: how a tree is printed differs
    between versions of Python, and a digest must not.
    """
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return text
    lines = text.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    docstrings = _docstrings(tree)
    for docstring in docstrings:
        _cut(lines, docstring)
    kept = _rows_of_strings(tree, docstrings)
    return "\n".join(
        line if row in kept else line.rstrip()
        for row, line in enumerate(lines, 1)
        if line.strip() or row in kept
    )


def _cut(lines: list[str], piece: ast.stmt) -> None:
    """Blank out a statement, and nothing else that stands on its lines."""
    first, last = piece.lineno - 1, piece.end_lineno - 1
    # Columns of the syntax tree count bytes.
    before = lines[first].encode()[: piece.col_offset].decode()
    after = lines[last].encode()[piece.end_col_offset :].decode()
    lines[first : last + 1] = [before + after] + [""] * (last - first)


def _rows_of_strings(tree: ast.Module, docstrings: list[ast.stmt]) -> set[int]:
    """The lines inside strings of several lines: there, a blank line counts."""
    texts = {id(docstring.value) for docstring in docstrings}
    strings = [n for n in ast.walk(tree) if isinstance(n, ast.JoinedStr) or _is_text(n)]
    return {
        row
        for node in strings
        if id(node) not in texts
        for row in range(node.lineno, node.end_lineno)
    }


def _docstrings(tree: ast.Module) -> list[ast.stmt]:
    """The docstring statements of the module, its classes and its functions."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    bodies = [node.body for node in ast.walk(tree) if isinstance(node, kinds)]
    firsts = [body[0] for body in bodies if body]
    return [s for s in firsts if isinstance(s, ast.Expr) and _is_text(s.value)]


def _is_text(value: ast.AST) -> bool:
    return isinstance(value, ast.Constant) and isinstance(value.value, str)
