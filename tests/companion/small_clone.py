"""A clone that holds the library and one small chapter, whose seeds take a second each."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import unlearning
from tests.companion.front_matter import FRONT_MATTER

CHAPTER = (
    FRONT_MATTER
    + """
# A study

```{code-cell} ipython3
:tags: [parameters]

scale = 1.0
seeds = [1]
record = ""
```

```{code-cell} ipython3
import time

from unlearning.companion.study import Study

study = Study("07", {"scale": scale, "seeds": seeds}, record)


def measure(seed):
    time.sleep(1)
    return [{"seed": seed, "x": scale * seed}]


study.each_seed(measure)
study.save()
```
"""
)
COMMAND = ["-m", "unlearning.companion.cli", "record", "07", "-f"]
FILE = "notebooks/parameters/paper-small.yml"
SAYS = "# unlearning record 07 -f ...\n"


def make(folder):
    """Puts it into a folder, with the parameter file of one record."""
    shutil.copytree(Path(unlearning.__file__).parent, folder / "src" / "unlearning")
    (folder / "_config.yml").touch()
    (folder / "notebooks" / "parameters").mkdir(parents=True)
    (folder / "notebooks" / "07_study.md").write_text(CHAPTER)
    (folder / FILE).write_text(f"{SAYS}scale: 2.0\nseeds: [3, 4, 5]\n")
    return folder


def start(clone, *words):
    return subprocess.Popen(
        [sys.executable, *COMMAND, *words],
        cwd=clone,
        env=os.environ | {"PYTHONPATH": str(clone / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def record(clone, *words):
    process = start(clone, *words)
    printed, _ = process.communicate(timeout=120)
    return process.returncode, printed


def parts(clone):
    return {path.name: path for path in clone.rglob("seed-*.json")}
