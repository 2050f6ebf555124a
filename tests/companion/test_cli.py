"""The command: what it refuses, and what it writes."""

import os
import subprocess
import sys

import nbformat
import numpy as np
import pytest


def test_run_writes_the_executed_notebook_with_the_parameters_in_it(command):
    code, printed, new = command("run", "07", "-p", "n_train=5", "-p", "clip=null")
    assert code == 0, printed
    assert new == {"07_small-run.ipynb"}
    notebook = nbformat.read("07_small-run.ipynb", as_version=4)
    assert notebook.cells[-1].outputs[0].text == (
        "digits 5 0.05 True None [0.01, 0.05] [32, 16] None\n"
    )
    injected = [c for c in notebook.cells if "injected-parameters" in c.metadata.get("tags", [])]
    assert "n_train = 5" in injected[0].source


def test_option_wins_over_file(command, tmp_path):
    (tmp_path / "p.yml").write_text("n_train: 7\nstep_size: 1\n")
    code, printed, new = command(
        "run", "7", "-f", "p.yml", "-p", "n_train=8", "-o", "out.ipynb"
    )  # fmt: skip
    assert (code, new) == (0, {"out.ipynb"}), printed
    notebook = nbformat.read("out.ipynb", as_version=4)
    assert notebook.cells[-1].outputs[0].text.startswith("digits 8 1.0 True")


def test_a_parameter_file_of_the_book_is_found_from_any_folder(command, chapter, tmp_path):
    folder = chapter.parent / "parameters"
    folder.mkdir()
    (folder / "paper.yml").write_text("n_train: 9\n")
    (tmp_path / "elsewhere").mkdir()
    os.chdir(tmp_path / "elsewhere")
    code, printed, _ = command("run", "07", "-f", "notebooks/parameters/paper.yml")
    assert code == 0, printed
    assert "n_train = 9" in printed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["12"], "got '12'; known:\n  07_small"),
        (["nothing.md"], "known:\n  07_small"),
        (["07", "-p", "cuont=3"], "it has: dataset (str), n_train (int)"),
        (["07", "-p", "n_train=many"], "expected int, got str 'many'"),
        (["07", "-p", "step_size=1e-3"], "write 1.0e-3"),
        (["07", "-f", "missing.yml"], "expected an existing file"),
        (["07", "-o", "out.html"], "ends in .ipynb"),
        (["07", "-o", "nowhere/out.ipynb"], "expected a folder that exists"),
    ],
)
def test_bad_input_exits_2_and_writes_nothing(command, words, message):
    code, printed, new = command("run", *words)
    assert (code, new) == (2, set())
    assert message in printed


def test_existing_output_is_kept_unless_forced(command, tmp_path):
    (tmp_path / "07_small-run.ipynb").write_text("mine")
    code, printed, _ = command("run", "07", "-o", "07_small-run.ipynb")
    assert code == 2
    assert "exists" in printed
    assert command("run", "07")[2] == {"07_small-run-2.ipynb"}
    assert (tmp_path / "07_small-run.ipynb").read_text() == "mine"
    code, printed, _ = command("run", "07", "--force")
    assert code == 0, printed
    assert (tmp_path / "07_small-run.ipynb").read_text() != "mine"


def test_failing_cell_shows_its_traceback_and_leaves_no_finished_file(command):
    code, printed, new = command("run", "07", "-p", "anything=broken")
    assert code == 1
    assert "RuntimeError" in printed
    assert "broken on purpose" in printed
    assert new == {"07_small-run.failed.ipynb"}


def test_interrupt_leaves_nothing(chapter, tmp_path):
    words = ["-m", "unlearning.companion.cli", "run", str(chapter), "-p", "anything=interrupted"]
    done = subprocess.run(
        [sys.executable, *words], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 130, done.stderr
    assert "interrupted; nothing was written" in done.stderr
    assert list(tmp_path.glob("*.ipynb")) == []


def test_list_shows_chapters_and_when_they_ran(command, tmp_path):
    code, printed, new = command("list")
    assert (code, new) == (0, set())
    assert "07  A chapter" in printed
    assert "not run here yet" in printed
    timings = tmp_path / "_build" / "timings"
    timings.mkdir(parents=True)
    (timings / "07_small.json").write_text('{"seconds": 12.3, "date": "2026-01-02"}')
    assert "12 s on 2026-01-02" in command("list")[1]


def test_list_shows_a_chapters_parameters_with_their_meaning(command):
    code, printed, _ = command("list", "07")
    assert code == 0
    assert "n_train = 300" in printed
    assert "int: n, number of training samples" in printed
    assert "float or null" in printed
    assert "unlearning run 07 -p step_size=VALUE" in printed


def test_own_data_is_looked_for_in_the_users_folder(command, tmp_path):
    np.savez(tmp_path / "mine.npz", inputs=np.eye(5), labels=np.arange(5) % 2)
    code, printed, new = command("run", "07", "-p", "dataset=mine.npz", "-p", "n_train=4")
    assert (code, new) == (0, {"07_small-run.ipynb"}), printed


@pytest.mark.parametrize(
    "arrays",
    [
        {"x": np.eye(4)},
        {"inputs": np.eye(4)},
        {"inputs": np.eye(4), "labels": np.arange(3)},
        {"inputs": np.eye(4), "labels": np.arange(4) / 2},
        {"inputs": np.eye(4)[0], "labels": np.arange(4)},
        {"inputs": np.eye(4), "labels": np.array(["a", "b", "c", "d"])},
        {"inputs": np.full((4, 2), np.inf), "labels": np.arange(4)},
    ],
)
def test_malformed_own_data_is_refused_before_anything_runs(command, tmp_path, arrays):
    np.savez(tmp_path / "mine.npz", **arrays)
    code, printed, new = command("run", "07", "-p", "dataset=mine.npz")
    assert (code, new) == (2, set())
    assert "error: mine.npz: " in printed
    assert "numpy.savez(path, inputs=..., labels=...)" in printed


@pytest.mark.parametrize("labels", [[0, 0, 0, 0], [1, 2, 1, 2], [0, 1, 7, 0]])
def test_classes_are_numbered_without_a_gap(command, tmp_path, labels):
    np.savez(tmp_path / "mine.npz", inputs=np.eye(4), labels=np.array(labels))
    code, printed, new = command("run", "07", "-p", "dataset=mine.npz", "-p", "n_train=2")
    assert (code, new) == (2, set())
    assert "labels: expected at least two classes, numbered 0, 1, 2, ... without a gap" in printed


def test_parameters_must_fit_the_size_of_own_data(command, tmp_path):
    np.savez(tmp_path / "mine.npz", inputs=np.eye(10), labels=np.arange(10) % 2)
    code, printed, new = command("run", "07", "-p", "dataset=mine.npz")
    assert (code, new) == (2, set())
    message = "parameter 'n_train': expected at most 8, the training rows; a fifth of its 10 rows"
    assert message in printed
    assert printed.rstrip().endswith("got 300")


def test_an_unknown_data_set_is_refused_before_anything_runs(command):
    code, printed, new = command("run", "07", "-p", "dataset=iris")
    assert (code, new) == (2, set())
    assert "parameter 'dataset': expected one of digits, wine" in printed


def test_records_are_not_made_by_run(chapter, command):
    text = chapter.read_text(encoding="utf-8")
    chapter.write_text(text.replace("anything = None", 'anything = None\nrecord = ""'))
    code, printed, new = command("run", "07", "-p", "record=mine")
    assert (code, new) == (2, set())
    assert "unlearning record" in printed


def test_help_does_not_wait_for_pytorch():
    program = (
        "import sys, unlearning.companion.cli\n"
        "slow = {'torch', 'papermill', 'jupytext', 'matplotlib', 'sklearn'} & set(sys.modules)\n"
        "sys.exit(f'imported for nothing: {slow}' if slow else 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_version_is_that_of_the_package(command):
    code, printed, _ = command("--version")
    assert code == 0
    assert printed.startswith("unlearning-companion ")
