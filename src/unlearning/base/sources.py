"""Which of the library's files a run has used, and whether their code has changed since.

A run depends on the files it imports, not on those that stand beside them; and on their code, not
on comments and docstrings. So a record stays fresh while the rest of the library grows.
"""

import ast
import io
import sys
import tokenize
from collections.abc import Iterable, Mapping
from pathlib import Path

from unlearning.base.provenance import PACKAGE, digest

# These say how a result came about and take no part in it.
BOOKKEEPING = (
    "companion/",
    "base/progress.py",
    "base/provenance.py",
    "base/revision.py",
    "base/sources.py",
)


def used() -> dict[str, str]:
    """Digests, by path below the package, of the computing files this process has imported."""
    modules = [m for name, m in sys.modules.items() if name.startswith("unlearning.")]
    files = {Path(m.__file__).resolve() for m in modules if getattr(m, "__file__", None)}
    names = sorted(f.relative_to(PACKAGE).as_posix() for f in files if f.is_relative_to(PACKAGE))
    return {name: _digest_of(name) for name in names if not name.startswith(BOOKKEEPING)}


def changed(recorded: Mapping[str, str]) -> list[str]:
    """The files among ``recorded`` (as ``used`` gave them) that are gone or have other code now."""
    return [name for name, before in sorted(recorded.items()) if _digest_of(name) != before]


def digest_of_code(texts: Iterable[str]) -> str:
    """Digest of pieces of code, comments and docstrings left out."""
    return digest(*(code_only(text) for text in texts))


def _digest_of(name: str) -> str:
    path = PACKAGE / name
    return digest(code_only(path.read_text(encoding="utf-8"))) if path.is_file() else "gone"


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
    for docstring in _docstrings(tree):
        for row in range(docstring.lineno, docstring.end_lineno + 1):
            lines[row - 1] = ""
    return "\n".join(line.rstrip() for line in lines if line.strip())


def _docstrings(tree: ast.Module) -> list[ast.stmt]:
    """The docstring statements of the module, its classes and its functions."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    bodies = [node.body for node in ast.walk(tree) if isinstance(node, kinds)]
    firsts = [body[0] for body in bodies if body]
    return [s for s in firsts if isinstance(s, ast.Expr) and _is_text(s.value)]


def _is_text(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and isinstance(value.value, str)
