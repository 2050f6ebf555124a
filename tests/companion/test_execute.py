"""Executing a chapter twice gives the same bytes, and a failure gives no target."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import nbformat
import nbformat.v4 as nb
import pytest

from unlearning.companion.chapters import chapters, find_chapter, notebooks_folder, read_chapter
from unlearning.companion.execute import make_repeatable


def execute(source, target, *more):
    words = [sys.executable, "-m", "unlearning.companion.execute", source, target, *more]
    return subprocess.run([str(word) for word in words], capture_output=True, text=True)


def test_two_runs_at_once_give_the_same_bytes_and_their_timings(chapter, tmp_path):
    targets = [tmp_path / "first.ipynb", tmp_path / "second.ipynb"]
    with ThreadPoolExecutor(2) as pool:
        done = list(
            pool.map(lambda t: execute(chapter, t, "--timings", t.with_suffix(".json")), targets)
        )
    assert [d.returncode for d in done] == [0, 0], done[0].stderr + done[1].stderr
    assert targets[0].read_bytes() == targets[1].read_bytes()
    timings = json.loads(targets[0].with_suffix(".json").read_text())
    assert timings["notebook"] == "07_small"
    assert len(timings["cells"]) == 2
    assert timings["seconds"] > 0


def test_executed_notebook_holds_nothing_of_this_machine(chapter, tmp_path):
    done = execute(chapter, tmp_path / "out.ipynb")
    assert done.returncode == 0, done.stderr
    notebook = nbformat.read(tmp_path / "out.ipynb", as_version=4)
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.language_info.version.count(".") == 1
    assert [cell.id for cell in notebook.cells] == ["cell-000", "cell-001", "cell-002"]
    assert str(tmp_path) not in (tmp_path / "out.ipynb").read_text()


def test_outputs_that_differ_from_run_to_run_are_settled():
    pieces = [nb.new_output("stream", name="stdout", text=text) for text in ("a\n", "b\n")]
    pieces.append(nb.new_output("stream", name="stderr", text="c\n"))
    styled = nb.new_output(
        "display_data",
        data={
            "text/html": '<style>#T_0a1b2_row0 {}</style><table id="T_0a1b2"><td>T_shirt</td>',
            "text/plain": "<pandas.io.formats.style.Styler at 0x7f00>",
        },
    )
    cell = nb.new_code_cell("x", id="cell-007", outputs=[*pieces, styled])
    make_repeatable(nb.new_notebook(cells=[cell]))
    assert [output.get("text") for output in cell.outputs] == ["a\nb\n", "c\n", None]
    assert cell.outputs[2].data == {
        "text/html": '<style>#T_cell-007-2_row0 {}</style><table id="T_cell-007-2"><td>T_shirt</td>'
    }


def test_failure_shows_the_traceback_and_removes_the_finished_target(chapter, tmp_path):
    target = tmp_path / "out.ipynb"
    target.write_text("finished earlier")
    chapter.write_text(chapter.read_text().replace("anything = None", 'anything = "broken"'))
    done = execute(chapter, target)
    assert done.returncode == 1
    assert "broken on purpose" in done.stderr
    assert not target.exists()
    assert target.with_suffix(".failed.ipynb").exists()


def test_malformed_parameters_stop_the_run_before_it_begins(chapter, tmp_path):
    chapter.write_text(chapter.read_text().replace("n_train = 300", "n_train = 3 * 100"))
    done = execute(chapter, tmp_path / "out.ipynb")
    assert done.returncode == 1
    assert "expected 'name = literal'" in done.stderr
    assert list(tmp_path.glob("*.ipynb")) == []


def test_chapter_is_found_by_number_name_and_path(chapter):
    folder = chapter.parent
    for wanted in ("7", "07", "07_small", str(chapter)):
        assert find_chapter(wanted, folder) == chapter
    for wanted in ("8", "small", "", "-1", "missing.md"):
        with pytest.raises(ValueError, match="known:\n  07_small"):
            find_chapter(wanted, folder)


def test_only_numbered_notebooks_are_chapters(chapter):
    (chapter.parent / "draft.md").write_text("# not yet")
    (chapter.parent / "README.md").write_text("# no")
    assert list(chapters(chapter.parent)) == ["07_small"]


def test_the_checkout_has_its_chapters_at_hand(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert (notebooks_folder() / "parameters").is_dir()


def test_reading_twice_gives_the_same_cells(chapter):
    assert read_chapter(chapter) == read_chapter(chapter)
