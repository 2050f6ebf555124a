"""Lets a wheel carry the book: pyproject.toml alone cannot reach files outside src/."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
CARRIED = "unlearning/companion/_book"
# What is in the tree; MANIFEST.in names the same files for the source distribution.
BOOK = (
    "notebooks/*.md",
    "notebooks/parameters/*.yml",
    "results/**/*.json",
    "claims.yml",
    "errata.yml",
)


def book_files():
    """Returns the files that an installed package reads, as paths below the root."""
    return sorted(path.relative_to(ROOT) for pattern in BOOK for path in ROOT.glob(pattern))


class BuildWithBook(build_py):
    """Copies the chapters and records into the package, but for an editable installation."""

    def run(self):
        """Builds as ever; an editable installation goes on reading the checkout."""
        super().run()
        if not self.editable_mode:
            # A build/ folder that was left behind may hold chapters of other names.
            shutil.rmtree(Path(self.build_lib, CARRIED), ignore_errors=True)
            for source, target in self._copies().items():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(ROOT / source, target)

    def get_outputs(self, include_bytecode=True):
        """Returns what `run` writes, as setuptools asks to know."""
        outputs = super().get_outputs(include_bytecode)
        return (
            outputs if self.editable_mode else outputs + [str(t) for t in self._copies().values()]
        )

    def _copies(self):
        return {path: Path(self.build_lib, CARRIED, path) for path in book_files()}


setup(cmdclass={"build_py": BuildWithBook})
