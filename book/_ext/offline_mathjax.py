"""Puts the part of MathJax that the pages use into the book, so that math needs no network.

The package sphinx-mathjax-offline carries all of MathJax (24 MB); one script and its fonts do.
"""

import shutil
from importlib.metadata import distribution
from pathlib import Path

SCRIPT = "tex-chtml-full.js"
FONTS = "output/chtml/fonts"


def copy_mathjax(app, error):
    if error or app.builder.format != "html":
        return
    package = distribution("sphinx-mathjax-offline")
    source = Path(package.locate_file("sphinx-mathjax-offline/static/mathjax"))
    target = Path(app.outdir) / "_static" / "mathjax"
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source / SCRIPT, target / SCRIPT)
    shutil.copytree(source / FONTS, target / FONTS, dirs_exist_ok=True)


def setup(app):
    app.connect("build-finished", copy_mathjax)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
