"""Recollection on ranks of torchrun: the same rows as in one process, and parts that stand alone.

The ranks are real: processes started by torchrun, that wait for each other by gloo.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

import unlearning as ul
from tests.hfocu.on_ranks import CHUNK, problem
from unlearning.hfocu.ranks import part_folder

WORKER = Path(__file__).with_name("on_ranks.py")
ROOT = WORKER.parents[2]


def start(count, folder, *words):
    """Torchrun with a free port of its own, so that several tests may run at once."""
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
    return subprocess.Popen(
        [sys.executable, *launch, WORKER, str(folder), *words],
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}", "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """Finished stores of 2 and of 3 ranks, and what was printed."""
    top = tmp_path_factory.mktemp("stores")
    running = {count: start(count, top / f"of-{count}") for count in (2, 3)}
    printed = {count: process.communicate(timeout=100)[0] for count, process in running.items()}
    for count, process in running.items():
        assert process.returncode == 0, printed[count]
    return {count: (top / f"of-{count}", printed[count]) for count in running}


@pytest.fixture(scope="module")
def one_process():
    run = ul.train(*problem())
    assert 0 < sum(factor < 1 for factor in run.clip_factors) < len(run)
    return run, ul.recollect(run).vectors


@pytest.mark.parametrize("count", [2, 3])
def test_the_merged_store_is_that_of_one_process(stores, one_process, count):
    folder, printed = stores[count]
    assert printed.count("sees 90 rows") == count
    run, expected = one_process
    merged = ul.open_approximators(folder)
    torch.testing.assert_close(merged.vectors[:], expected, rtol=0, atol=1e-12)
    unlearned = ul.forget(run, merged, [3, 14, 88])  # it is of this very run
    wanted = run.weights + expected[[3, 14, 88]].sum(0)
    torch.testing.assert_close(unlearned, wanted, rtol=0, atol=1e-9)


@pytest.mark.parametrize("count", [2, 3])
def test_each_part_holds_its_own_rows_and_nothing_is_gathered(stores, count):
    folder = stores[count][0]
    listed = [block["file"] for block in manifest(folder)["blocks"]]
    assert sorted(folder.glob("*.safetensors")) == []
    of_parts = [
        path for i in range(count) for path in part_folder(folder, (i + 1, count)).iterdir()
    ]
    rows = [path for path in of_parts if path.suffix == ".safetensors"]
    files = sorted(str(path.relative_to(folder)) for path in rows)
    assert sorted(listed) == files
    for i in range(count):
        part = manifest(part_folder(folder, (i + 1, count)))
        assert part["first"] == 90 * i // count
        assert sum(block["rows"] for block in part["blocks"]) == 90 // count


def manifest(folder):
    return json.loads((folder / "manifest.json").read_text())


def test_how_each_part_was_computed_is_kept(stores):
    computed = manifest(stores[3][0])["computed"]
    assert [how["rows"] for how in computed] == [[0, 30], [30, 60], [60, 90]]
    assert all(how["chunk"] == CHUNK and how["threads"] == 1 for how in computed)


def test_a_finished_store_is_opened_by_any_number_of_processes(stores, one_process):
    folder = stores[3][0]
    before = (folder / "manifest.json").stat().st_mtime_ns
    found = ul.recollect_on_ranks(*problem(), folder)
    torch.testing.assert_close(found.vectors[:], one_process[1], rtol=0, atol=1e-12)
    assert (folder / "manifest.json").stat().st_mtime_ns == before
    with pytest.raises(ValueError, match="convention = 'R2', as .* was made with"):
        ul.recollect_on_ranks(*problem(), folder, convention="R1")


@pytest.mark.gpu
def test_ranks_may_share_a_gpu(tmp_path, one_process):
    process = start(2, tmp_path / "store", "cuda")
    printed, _ = process.communicate(timeout=100)
    assert process.returncode == 0, printed
    found = ul.open_approximators(tmp_path / "store").vectors[:]
    torch.testing.assert_close(found, one_process[1], rtol=0, atol=1e-9)


def bits(folder):
    """The bytes of all files of rows, by name."""
    return {path.name: path.read_bytes() for path in folder.glob("*.safetensors")}


def test_a_killed_rank_is_resumed_alone(stores, tmp_path):
    folder = tmp_path / "store"
    process = start(2, folder, "cpu", "0")  # a state after every step
    states = [part_folder(folder, (i, 2)) / "state" for i in (1, 2)]
    while not all((state / "manifest.json").exists() for state in states):
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.01)
    os.kill(int((folder / "pid-1").read_text()), signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert not (folder / "manifest.json").exists()
    for state in states:  # the other has saved its own when torchrun ended it
        assert 0 < manifest(state)["progress"]["t"] < 1200

    alone = {"chunk": CHUNK, "part": (2, 2)}
    assert ul.recollect_on_ranks(*problem(), folder, **alone) is None  # the other is unfinished
    unfinished = r"2 finished parts in .*, got part-1-of-2 \(unfinished\)"
    with pytest.raises(ValueError, match=unfinished):
        ul.merge_parts(folder)
    names = sorted(path.name for path in states[1].parent.iterdir())
    assert names == [".lock", "manifest.json", "rows-00000-00000.safetensors"]
    found = ul.recollect_on_ranks(*problem(), folder, chunk=CHUNK, part=(1, 2))
    assert len(found.vectors) == 90
    for i in (1, 2):
        uninterrupted = bits(part_folder(stores[2][0], (i, 2)))
        assert uninterrupted
        assert bits(part_folder(folder, (i, 2))) == uninterrupted


def test_missing_parts_are_named(tmp_path):
    small = problem(n_train=40, epochs=1)
    assert ul.recollect_on_ranks(*small, tmp_path, part=(2, 3)) is None
    missing = r"part-1-of-3 \(missing\), part-3-of-3 \(missing\); recollect each of them"
    with pytest.raises(ValueError, match=missing):
        ul.merge_parts(tmp_path)
    ul.recollect_on_ranks(*small, tmp_path / "many", part=(2, 40))
    with pytest.raises(ValueError, match=r"part-5-of-40 \(missing\) and 35 more; recollect"):
        ul.merge_parts(tmp_path / "many")
    with pytest.raises(ValueError, match="got none in"):
        ul.merge_parts(tmp_path / "run")


def test_another_number_of_ranks_is_refused(tmp_path):
    small = problem(n_train=40, epochs=1)
    ul.recollect_on_ranks(*small, tmp_path, part=(2, 3))
    message = r"one of 3 parts, as .* was begun with, got 1; go on with 3 ranks, or with part"
    with pytest.raises(ValueError, match=message):
        ul.recollect_on_ranks(*small, tmp_path)
    assert sorted(path.name for path in tmp_path.glob("part-*")) == ["part-2-of-3"]


def test_parts_of_another_recollection_are_not_merged(tmp_path):
    small = problem(n_train=40, epochs=1)
    ul.recollect_on_ranks(*small, tmp_path, part=(1, 2))
    words = "parts: expected convention = 'R2', identity.convention = 'R2' as in part-1-of-2, got"
    with pytest.raises(ValueError, match=words):
        ul.recollect_on_ranks(*small, tmp_path, part=(2, 2), convention="R1")


def test_the_folder_of_another_run_is_refused(tmp_path):
    objective, samples, schedule = problem(n_train=40, epochs=1)
    ul.recollect_on_ranks(objective, samples, schedule, tmp_path, part=(1, 2))
    other = ul.Schedule(0.2, batch_size=8)
    with pytest.raises(ValueError, match="run, which has other schedule"):
        ul.recollect_on_ranks(objective, samples, other, tmp_path, part=(2, 2))
    with pytest.raises(ValueError, match="another: .*run"):
        ul.recollect_on_ranks(objective, samples[:39], schedule, tmp_path, part=(2, 2))


def test_bad_settings_are_refused_before_the_training(tmp_path):
    with pytest.raises(ValueError, match="convention: expected one of"):
        ul.recollect_on_ranks(*problem(), tmp_path, convention="R4")
    with pytest.raises(ValueError, match=r"part: expected an integer from 1 to 2"):
        ul.recollect_on_ranks(*problem(), tmp_path, part=(3, 2))
    assert list(tmp_path.iterdir()) == []


def test_processes_that_finish_at_once_may_all_merge(tmp_path):
    small = problem(n_train=40, epochs=1)
    run = ul.train(*small)
    for i in (1, 2, 3):
        ul.recollect(run, folder=part_folder(tmp_path, (i, 3)), part=(i, 3))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ul.merge_parts, [tmp_path] * 24))
    merged = ul.open_approximators(tmp_path).vectors[:]
    torch.testing.assert_close(merged, ul.recollect(run).vectors, rtol=0, atol=1e-12)


def test_one_part_is_not_computed_twice_at_once(tmp_path):
    program = (
        "import sys, time, filelock; lock = filelock.FileLock(sys.argv[1]); lock.acquire();"
        "print('held', flush=True); time.sleep(60)"
    )
    part = part_folder(tmp_path, (1, 2))
    part.mkdir()
    held = part / ".lock"
    other = subprocess.Popen([sys.executable, "-c", program, held], stdout=subprocess.PIPE)
    try:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(ValueError, match="other process is writing to, got .*part-1-of-2"):
            ul.recollect_on_ranks(*problem(n_train=40, epochs=1), tmp_path, part=(1, 2))
    finally:
        other.kill()
        other.wait()
    assert ul.recollect_on_ranks(*problem(n_train=40, epochs=1), tmp_path, part=(1, 2)) is None


def test_a_part_that_went_missing_can_be_computed_again(tmp_path):
    small = problem(n_train=40, epochs=1)
    for i in (1, 2):
        ul.recollect_on_ranks(*small, tmp_path, part=(i, 2))
    before = ul.open_approximators(tmp_path).vectors[:]
    shutil.rmtree(part_folder(tmp_path, (2, 2)))
    message = rf"part-2-of-2.*: .*; delete {tmp_path / 'manifest.json'} to compute what is missing"
    with pytest.raises(ValueError, match=message):
        ul.recollect_on_ranks(*small, tmp_path, part=(2, 2))
    (tmp_path / "manifest.json").unlink()
    found = ul.recollect_on_ranks(*small, tmp_path, part=(2, 2))
    assert torch.equal(found.vectors[:], before)


def test_settings_that_can_be_read_only_once_count_in_every_part(tmp_path):
    small = problem(n_train=40, epochs=1)
    run = ul.train(*small)
    expected = ul.recollect(run, quirks=ul.AS_RELEASED, sets=[[1, 2], [7]])
    once = {"quirks": iter(ul.AS_RELEASED), "sets": [iter([1, 2]), [7]]}
    found = ul.recollect_on_ranks(*small, tmp_path, **once)
    assert found.quirks == expected.quirks
    torch.testing.assert_close(found.vectors[:], expected.vectors, rtol=0, atol=1e-12)


def test_a_part_that_there_is_not_is_refused_also_when_all_is_done(tmp_path):
    small = problem(n_train=40, epochs=1)
    ul.recollect_on_ranks(*small, tmp_path)
    with pytest.raises(ValueError, match=r"part: expected an integer from 1 to 3"):
        ul.recollect_on_ranks(*small, tmp_path, part=(4, 3))


def test_a_merge_never_takes_the_place_of_something_else(tmp_path):
    small = problem(n_train=40, epochs=1)
    run = ul.train(*small, folder=tmp_path)
    for i in (1, 2):
        ul.recollect(run, folder=part_folder(tmp_path, (i, 2)), part=(i, 2))
    with pytest.raises(ValueError, match="which is not theirs"):
        ul.merge_parts(tmp_path)
    assert torch.equal(ul.open_run(tmp_path, *small[:2]).weights, run.weights)
    with pytest.raises(ValueError, match="folder: expected an empty one, or one of this recoll"):
        ul.recollect_on_ranks(*small, tmp_path)
    assert not (tmp_path / "run").exists()
