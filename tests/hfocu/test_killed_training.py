"""Trainings into a folder are killed and stopped, go on, and end with the same bits."""

import random
import shutil
import signal
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

import unlearning as ul
from tests.hfocu.chores import parts
from tests.hfocu.warm import Warm
from unlearning.base.durable import MANIFEST
from unlearning.training import path as paths

CHORE = "tests.hfocu.chores:training"
OBJECTIVE, SAMPLES, SCHEDULE = parts("mlp")


@pytest.fixture(scope="module")
def warm():
    with Warm() as process:
        yield process


@pytest.fixture(scope="module")
def whole(warm, tmp_path_factory):
    """A folder that no kill has touched, and how its making went."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    outcome = warm.call(CHORE, {"folder": str(folder)})
    assert outcome.finished, outcome.error
    return folder, outcome


def content(folder: Path) -> tuple:
    schedule = ul.Schedule(**paths.read_spilled(folder, torch.device("cpu"))[1]["schedule"])
    run = ul.open_run(folder, OBJECTIVE, SAMPLES)
    assert run.schedule == schedule
    weights = run.trajectory[:]
    return weights.shape, weights.numpy().tobytes(), tuple(run.clip_factors), run.fingerprint


def check_finished(folder: Path, whole: Path):
    assert content(folder) == content(whole)
    listed = {block["file"] for block in paths.read_manifest(folder)["blocks"]}
    assert {path.name for path in folder.iterdir()} == listed | {MANIFEST, ".lock"}


def test_killed_at_random_moments(warm, whole, tmp_path):
    rng, kills, resumed = random.Random(3), 0, 0
    for chain in range(6):
        folder, wait = tmp_path / str(chain), whole[1].seconds / 3
        while True:
            began = (folder / "state" / MANIFEST).exists()
            outcome = warm.call(CHORE, {"folder": str(folder)}, rng.uniform(0, wait))
            wait *= 1.15
            assert not outcome.error
            resumed += began
            if outcome.finished:
                break
            kills += 1
        check_finished(folder, whole[0])
    assert kills >= 6
    assert resumed >= 3


def test_killed_before_each_operation_on_files_at_its_end(warm, whole, tmp_path):
    operations = whole[1].reports[-1]["operations"]
    for die_at in range(operations - 16, operations):
        folder = tmp_path / str(die_at)
        outcome = warm.call(CHORE, {"folder": str(folder), "die_at": die_at})
        assert outcome.signal == signal.SIGKILL
        again = warm.call(CHORE, {"folder": str(folder)})
        assert again.finished, again.error
        check_finished(folder, whole[0])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
@pytest.mark.parametrize("when", ["first", "inside", "last"])
def test_a_request_to_stop_saves_and_the_same_call_goes_on(warm, whole, tmp_path, number, when):
    """Although no state is due for an hour; nothing is computed twice."""
    folder, units = tmp_path / "run", whole[1].reports[-2]
    last = {"first": 1, "inside": units // 2, "last": units - 1}[when]
    arguments = {"folder": str(folder), "save_every": 3600}
    stopped = warm.call(CHORE, {**arguments, "signal_at": [last, int(number)]})
    assert "KeyboardInterrupt: stopped after step" in stopped.error
    assert not (folder / MANIFEST).exists()
    again = warm.call(CHORE, arguments)
    assert again.finished, again.error
    assert again.reports[-2] == units - last  # the stretches that were left, and the end
    check_finished(folder, whole[0])


def stopped(warm, folder: Path) -> None:
    arguments = {"folder": str(folder), "signal_at": [3, int(signal.SIGINT)]}
    assert "KeyboardInterrupt" in warm.call(CHORE, arguments).error


def go_on(folder: Path, **changes):
    longer = {"epochs": 40, **changes}
    schedule = ul.Schedule(**(vars(SCHEDULE) | longer))
    return ul.train(OBJECTIVE, SAMPLES, schedule, folder=folder)


def test_other_circumstances_and_other_runs_are_refused(warm, whole, tmp_path):
    folder = tmp_path / "run"
    stopped(warm, folder)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(ValueError, match="folder: expected threads = 1, as .* got threads = 2"):
            go_on(folder)
    finally:
        torch.set_num_threads(1)
    with pytest.raises(ValueError, match="folder: expected origin = .* delete .*state to start ov"):
        go_on(folder, seed=4)
    go_on(folder)
    torch.set_num_threads(before)
    check_finished(folder, whole[0])


@pytest.mark.parametrize("what", ["weights-00000.safetensors", "state"])
def test_damage_is_named(warm, tmp_path, what):
    folder = tmp_path / "run"
    stopped(warm, folder)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    broken = folder / what
    broken = next(broken.glob("*.safetensors")) if broken.is_dir() else broken
    broken.write_bytes(broken.read_bytes()[:-3])
    try:
        with pytest.raises(ValueError, match=broken.name):
            go_on(folder)
        shutil.rmtree(folder / "state")
        go_on(folder)
    finally:
        torch.set_num_threads(before)


def test_an_unfinished_training_takes_no_recollection_and_the_reverse(warm, whole, tmp_path):
    stopped(warm, tmp_path / "run")
    run = ul.open_run(whole[0], OBJECTIVE, SAMPLES)
    with pytest.raises(ValueError, match="one of a recollection, got .* an unfinished training"):
        ul.recollect(run, folder=tmp_path / "run", memory="1KiB")
    arguments = {"folder": str(tmp_path / "store"), "mode": "along with training"}
    arguments["signal_at"] = [3, int(signal.SIGINT)]
    assert "KeyboardInterrupt" in warm.call("tests.hfocu.chores:recollection", arguments).error
    with pytest.raises(ValueError, match="one of a training, got .* an unfinished recollection"):
        go_on(tmp_path / "store")


def test_one_at_a_time(tmp_path, monkeypatch):
    inside, leave = threading.Event(), threading.Event()
    add = paths.OnDisk.add

    def slow(keeper, weights):
        inside.set()
        leave.wait(30)
        add(keeper, weights)

    monkeypatch.setattr(paths.OnDisk, "add", slow)
    first = threading.Thread(target=go_on, args=[tmp_path / "run"])
    first.start()
    try:
        assert inside.wait(30)
        with pytest.raises(ValueError, match="folder: expected one that no other process is writ"):
            go_on(tmp_path / "run")
    finally:
        leave.set()
        first.join()
    assert len(go_on(tmp_path / "run")) == 120


# What is in the folder besides is nobody's but the reader's.


def test_files_of_the_reader_stay(warm, whole, tmp_path):
    folder = tmp_path / "run"
    (folder / "weights-old").mkdir(parents=True)
    (folder / "state").mkdir()
    own = [folder / "weights-best.pt", folder / "state" / "notes.txt", folder / "state" / "a-b"]
    for path in own:
        path.write_text("mine")
    stopped(warm, folder)
    assert warm.call(CHORE, {"folder": str(folder)}).finished
    assert content(folder) == content(whole[0])
    assert [path.read_text() for path in own] == ["mine"] * 3
    assert {path.name for path in (folder / "state").iterdir()} == {"notes.txt", "a-b"}


def test_a_damaged_run_says_what_to_do(tmp_path):
    folder = tmp_path / "run"
    whole = go_on(folder)
    (folder / "weights-00000.safetensors").unlink()
    advice = f"weights-00000.safetensors: .* delete {folder / MANIFEST} to train again"
    for again in (go_on, lambda folder: ul.open_run(folder, OBJECTIVE, SAMPLES)):
        with pytest.raises(ValueError, match=advice):
            again(folder)
    (folder / MANIFEST).unlink()
    assert torch.equal(go_on(folder).weights, whole.weights)


def test_numbers_of_numpy_make_the_same_run(tmp_path):
    kinds = {"step_size": np.float64(0.2), "epochs": np.int64(3), "batch_size": np.int32(5)}
    kinds |= {"clip": np.float32(1.5), "seed": np.int64(3), "reshuffle": True}
    plain = {name: getattr(value, "item", lambda v=value: v)() for name, value in kinds.items()}
    made = ul.train(OBJECTIVE, SAMPLES, ul.Schedule(**kinds), folder=tmp_path)
    again = ul.train(OBJECTIVE, SAMPLES, ul.Schedule(**plain), folder=tmp_path)
    assert made.fingerprint == again.fingerprint
    assert ul.Schedule(1, epochs=2) == ul.Schedule(1.0, epochs=2)
    assert repr(ul.Schedule(1, epochs=2)) == repr(ul.Schedule(1.0, epochs=2))
    ul.recollect(made, folder=tmp_path / "store", chunk=np.int64(3), part=(np.int64(1), 2))


@pytest.mark.parametrize("folder", [None, 3, b"x"], ids=str)
def test_what_is_no_path_is_named(folder):
    for use in (
        lambda: ul.open_run(folder, OBJECTIVE, SAMPLES),
        lambda: ul.merge_parts(folder),
        lambda: ul.open_approximators(folder),
        lambda: ul.recollect_on_ranks(OBJECTIVE, SAMPLES, SCHEDULE, folder),
    ):
        with pytest.raises(ValueError, match="folder: expected a path, got"):
            use()
