"""Chapter 12 runs without what may be left out, and refuses what does not fit."""

import pytest

from unlearning.companion.chapters import notebooks_folder
from unlearning.companion.execute import ChapterFailed, execute_chapter

SMALL = {
    "n_train": 100,
    "n_file": 400,
    "epochs": 6,
    "forget_sizes": [10],
    "change_sizes": [5, 20],
    "change_size": 5,
    "n_shadows": 8,
    "n_trees": 5,
    "noises": [0.02, 0.08],
}
LEFT_OUT = {"without": ["Newton step", "jackknife", "SAPS"], "n_released": 0, "n_runs": 0}


def test_the_page_runs_without_what_may_be_left_out(tmp_path):
    (source,) = notebooks_folder().glob("12_*.md")
    said = execute_chapter(source, tmp_path / "small.ipynb", SMALL | LEFT_OUT)
    assert said["seconds"] > 0
    assert (tmp_path / "small.ipynb").is_file()


@pytest.mark.parametrize(
    ("name", "value"), [("forget_sizes", []), ("n_shadows", 7), ("n_file", 7), ("without", ["SAP"])]
)
def test_what_does_not_fit_is_named_before_anything_is_computed(tmp_path, name, value):
    (source,) = notebooks_folder().glob("12_*.md")
    with pytest.raises(ChapterFailed, match=f"{name}: expected"):
        execute_chapter(source, tmp_path / "wrong.ipynb", {name: value})
