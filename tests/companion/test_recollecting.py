"""`unlearning recollect`, as a user runs it: refused, alone, in parts, on ranks, interrupted."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import yaml
from typer.testing import CliRunner

import unlearning as ul
from unlearning.companion import cli, recollecting

ROOT = Path(__file__).resolve().parents[2]
PROBLEMS = sorted((ROOT / "problems").glob("*.yml"))
SMALL = {
    "dataset": "digits",
    "model": "logistic",
    "n_train": 60,
    "l2": 0.02,
    "step_size": 0.1,
    "decay": 1.0,
    "batch_size": 8,
    "epochs": 3,
    "clip": None,
    "reshuffle": True,
    "seed": 5,
    "convention": "R3",
}
TORCHRUN = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
COMMAND = "unlearning.companion.cli"


@pytest.fixture
def problem(tmp_path, monkeypatch):
    """Writes a problem file, some keys changed, in an empty folder, which is the current one."""
    monkeypatch.chdir(tmp_path)

    def write(**changes):
        Path("problem.yml").write_text(yaml.safe_dump(SMALL | changes, sort_keys=False))
        return "problem.yml"

    write()
    return write


def recollect(*words):
    result = CliRunner().invoke(cli.app, ["recollect", "problem.yml", "--folder", "s", *words])
    return result.exit_code, result.output


def start(*words, threads=1, launcher=()):
    return subprocess.Popen(
        [sys.executable, "-m", *launcher, COMMAND, "recollect", *words],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": str(threads)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def by_hand(**changes):
    """The same problem, put together from the library's verbs."""
    asked = SMALL | changes
    data = ul.load("digits", n_train=asked["n_train"], seed=5)
    objective = ul.Objective(ul.models.logistic(data, seed=5), l2=0.02)
    schedule = ul.Schedule(0.1, batch_size=8, epochs=asked["epochs"], seed=5)
    return ul.recollect(ul.train(objective, data.train, schedule), convention="R3")


@pytest.mark.parametrize("path", PROBLEMS, ids=lambda path: path.stem)
def test_every_problem_of_the_repository_is_well_formed(path):
    asked = recollecting.read_problem(path)
    assert f"unlearning recollect problems/{path.name}" in path.read_text()
    steps = len(ul.Schedule(*(asked[key] for key in ("step_size", "decay", "batch_size", "epochs")))
                .batches(asked["n_train"]))  # fmt: skip
    # As many as in the published settings; of MNIST, 1,000 samples in batches of 32 or 64.
    published = {"mnist-logistic-60000": 480, "mnist-cnn-10000": 320, "wine-mlp": 120,
                 "obesity-mlp": 2400, "adult-mlp": 160, "generated-har-mlp": 1725}  # fmt: skip
    assert steps == published.get(path.stem, 675)


def test_there_are_problems():
    assert len(PROBLEMS) >= 3


def test_it_stores_what_the_library_computes(problem):
    code, printed = recollect()
    assert code == 0, printed
    assert "s: 60 vectors of 650 numbers in float32, 152.7 KiB stored" in printed
    found, wanted = ul.open_approximators("s"), by_hand()
    assert found.fingerprint == wanted.fingerprint
    torch.testing.assert_close(found.vectors[:], wanted.vectors, rtol=1e-5, atol=1e-6)


def test_parts_one_after_the_other_make_the_store(problem):
    code, printed = recollect("--part", "2/2", "--storage", "bfloat16")
    assert code == 0, printed
    assert "part-2-of-2: 30 vectors of 650 numbers in bfloat16, rounded by" in printed
    assert "The store is without part-1-of-2 (missing)." in printed
    code, printed = recollect("--merge")
    assert code == 2
    assert "expected 2 finished parts in s, got part-1-of-2 (missing)" in printed
    code, printed = recollect("--part", "1/2", "--storage", "bfloat16", "--memory", "1GiB")
    assert code == 0, printed
    assert "s: 60 vectors" in printed
    Path("s/manifest.json").unlink()
    assert recollect("--merge")[0] == 0
    assert len(ul.open_approximators("s").vectors) == 60


def test_ranks_of_torchrun_make_the_store(problem):
    words = ["problem.yml", "--folder", "s", "--storage", "float64"]
    process = start(*words, launcher=TORCHRUN)
    printed, _ = process.communicate(timeout=100)
    assert process.returncode == 0, printed
    assert printed.count("s: 60 vectors of 650 numbers in float64") == 1  # one rank speaks
    assert sorted(path.name for path in Path("s").glob("part-*")) == ["part-1-of-2", "part-2-of-2"]
    found = ul.open_approximators("s").vectors[:]
    torch.testing.assert_close(found, by_hand().vectors.double(), rtol=1e-5, atol=1e-6)


def test_interrupted_it_goes_on_with_as_many_threads_as_before(problem):
    words = [problem(epochs=60), "--folder", "s"]
    process = start(*words, "--save-every", "0", threads=2)
    state = Path("s/part-1-of-1/state/manifest.json")
    while not state.exists():
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 130, printed
    assert "interrupted; stopped after step" in printed
    assert "saved in s/part-1-of-1: the same call goes on from there" in printed
    process = start(*words)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 0, printed
    found, wanted = ul.open_approximators("s"), by_hand(epochs=60)
    torch.testing.assert_close(found.vectors[:], wanted.vectors, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seeds: [3]", "'seeds': a problem file has no such parameter; it has: dataset (str), "),
        ("step_size: 1e-3", "got str '1e-3'; YAML takes 1e-3 for text, so write 1.0e-3"),
        ("n_train: many", "parameter 'n_train': expected int, got str 'many'"),
        ("clip: big", "parameter 'clip': expected float or null"),
        ("dataset: digits", "problem.yml: expected all of dataset, model, n_train, l2, step_size"),
        ("- dataset", "expected lines 'name: value'"),
    ],
)
def test_a_malformed_file_is_refused(problem, text, message):
    Path("problem.yml").write_text(text)
    code, printed = recollect()
    assert code == 2
    assert message in printed
    assert not Path("s").exists()


@pytest.mark.parametrize(
    ("changes", "words", "message"),
    [
        ({"dataset": "iris"}, [], "parameter 'dataset': expected one of digits, wine"),
        ({"model": "forest"}, [], "model: expected one of logistic"),
        ({"n_train": 5000}, [], "n_train: expected an integer from 1 to 1437"),
        ({"convention": "R4"}, [], "convention: expected one of R1, R2, R3"),
        ({"decay": 2}, [], "decay: expected a factor of at most 1"),
        ({}, ["--part", "2-3"], "--part: expected such as 2/3, the second of three parts"),
        ({}, ["--part", "4/3"], "part: expected an integer from 1 to 3"),
        ({}, ["--device", "tpu"], "--device: expected cpu, or cuda"),
        ({}, ["--memory", "lots"], "memory: expected bytes as a number, or with a unit"),
        ({}, ["--storage", "int8"], "storage: expected one of"),
    ],
)
def test_what_cannot_be_done_is_refused_before_the_training(problem, changes, words, message):
    problem(**changes)
    code, printed = recollect(*words)
    assert code == 2
    assert message in printed
    assert not Path("s").exists()


def test_too_little_memory_is_refused(problem):
    code, printed = recollect("--memory", "50KiB")
    assert code == 2
    assert "memory: expected at least" in printed
    assert not Path("s", "run").exists()  # nothing was trained for it


def test_a_folder_that_cannot_be_made_is_one_line(problem):
    Path("s").write_text("a file")
    words = ["recollect", "problem.yml", "--folder", "s/below"]
    result = CliRunner().invoke(cli.app, words)
    assert result.exit_code == 2
    assert "Not a directory" in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_a_missing_file_is_refused():
    result = CliRunner().invoke(cli.app, ["recollect", "nowhere.yml", "--folder", "s"])
    assert result.exit_code == 2
    assert "expected an existing file, got 'nowhere.yml'" in result.output
