"""A small chapter that runs in a second, and the command run on it."""

import pytest
from typer.testing import CliRunner

from tests.companion import small_clone
from tests.companion.front_matter import FRONT_MATTER
from unlearning.companion import chapters, cli

CHAPTER = (
    FRONT_MATTER
    + """
# A chapter

```{code-cell} ipython3
:tags: [parameters]

# What a reader may change.
dataset = "digits"
n_train = 300  # n, number of training samples
step_size = 0.05
shuffle = True
clip: float | None = 5.0
rates = [0.01, 0.05]
layers = [32, 16]
anything = None
```

```{code-cell} ipython3
:tags: [nbval-check-output]

if anything == "broken":
    raise RuntimeError("broken on purpose")
if anything == "interrupted":
    import os, signal, time

    os.kill(os.getppid(), signal.SIGINT)
    time.sleep(20)
print(dataset, n_train, step_size, shuffle, clip, rates, layers, anything)
```
"""
)


@pytest.fixture
def chapter(tmp_path, monkeypatch):
    """The text notebook `notebooks/07_small.md` in an empty folder, which is the current one."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    path = folder / "07_small.md"
    path.write_text(CHAPTER, encoding="utf-8")
    (tmp_path / "_config.yml").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(chapters, "CHECKOUT", tmp_path)
    return path


@pytest.fixture
def command(chapter, tmp_path):
    """Runs the command with these words; returns exit code, all it printed, and the new files."""

    def run(*words):
        before = set(tmp_path.rglob("*"))
        result = CliRunner().invoke(cli.app, list(words))
        new = {str(path.relative_to(tmp_path)) for path in set(tmp_path.rglob("*")) - before}
        return result.exit_code, result.output, new

    return run


@pytest.fixture
def clone(tmp_path):
    """A clone that holds the library and one small chapter with its parameter file."""
    return small_clone.make(tmp_path)
