"""States that survive: bit for bit, after kills, refused when damaged or of other work."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from unlearning.base import checkpoint
from unlearning.base.checkpoint import Checkpoint
from unlearning.base.durable import read_manifest, write_manifest

RNG = np.random.default_rng(4)
RUN = {"run": "abc", "convention": "R2", "chunk": 64, "versions": {"numpy": "2.0"}}
NAN = np.array([0x7FF8_0000_0000_0001, 0xFFF0_0000_DEAD_BEEF], "u8").view("f8")

ARRAYS = {
    "approximators": RNG.standard_normal((30, 7)),
    "single": RNG.random((5, 4), dtype=np.float32),
    "odd values": np.concatenate([NAN, [np.inf, -np.inf, -0.0, 5e-324]]),
    "counts": np.array([[-(2**63), 2**63 - 1]]),
    "generator": RNG.integers(0, 256, 5056, dtype=np.uint8),
    "mask": RNG.random((3, 4, 5)) < 0.5,
    "number": np.array(2.5),
    "none": np.empty((0, 7), np.float32),
    "narrow": np.empty((7, 0)),
    "columns first": np.asfortranarray(RNG.random((6, 5))),
    "every other": RNG.random((12, 10, 2))[::2, ::-3],
}


def bits(array):
    return array.dtype, array.shape, array.tobytes()


def test_a_state_is_read_bit_for_bit(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "BLOCK_BYTES", 200)
    saved = Checkpoint(tmp_path / "new" / "folder", RUN)
    assert saved.load() is None
    progress = {"step": 3, "loss": 0.1 + 0.2, "list": [1, None, True], "nan": float("inf")}
    saved.save(progress, ARRAYS)
    state = Checkpoint(tmp_path / "new" / "folder", RUN).load()
    assert state.progress == progress
    assert state.names == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert bits(state.read(name)) == bits(array), name
        out = np.full_like(array, 1, order="C")
        state.read_into(name, out)
        assert bits(out) == bits(array), name


def test_no_block_is_larger_than_agreed(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "BLOCK_BYTES", 200)
    Checkpoint(tmp_path, RUN).save({}, {"approximators": ARRAYS["approximators"]})
    blocks = read_manifest(tmp_path)["arrays"]["approximators"]["blocks"]
    assert [block["rows"] for block in blocks] == [3] * 10


def test_each_save_replaces_the_last_and_leaves_no_other_files(tmp_path):
    saved = Checkpoint(tmp_path, RUN)
    for step in range(1, 6):
        saved.save({"step": step}, {f"x{i}": np.full((2, 2), i + step) for i in range(6 - step)})
        state = saved.load()
        assert state.progress == {"step": step}
        assert all((state.read(f"x{i}") == i + step).all() for i in range(6 - step))
        assert len(os.listdir(tmp_path)) == 1 + 6 - step
    (tmp_path / "a-0-00007.safetensors.part").touch()  # as a kill leaves it
    (tmp_path / "b-0-00007.safetensors").touch()
    saved.save({}, {})
    assert os.listdir(tmp_path) == ["manifest.json"]


def test_other_circumstances_are_named_with_both_values(tmp_path):
    Checkpoint(tmp_path, RUN).save({"step": 1}, {})
    other = {
        "run": "abc",
        "convention": "R3",
        "chunk": 64,
        "threads": 2,
        "versions": {"numpy": "1"},
    }
    words = (
        f"folder: expected convention = 'R2', threads = nothing, "
        f"versions.numpy = '2.0', as {tmp_path} was begun with, "
        f"got convention = 'R3', threads = 2, versions.numpy = '1'; "
        f"delete {tmp_path} to start over"
    )
    for use in (lambda c: c.load(), lambda c: c.save({}, {})):
        with pytest.raises(ValueError) as error:  # noqa: PT011
            use(Checkpoint(tmp_path, other))
        assert str(error.value) == words
    assert Checkpoint(tmp_path, RUN).load().progress == {"step": 1}


def test_circumstances_are_compared_as_they_are_kept(tmp_path):
    Checkpoint(tmp_path, {"batch": (1, 2), 3: 0.1}).save({}, {})
    assert Checkpoint(tmp_path, {"batch": [1, 2], "3": 0.1}).load() is not None
    with pytest.raises(ValueError, match="circumstances: expected plain values"):
        Checkpoint(tmp_path, {"threads": object()})


def read_all(saved):
    state = saved.load()
    return [state.read(name) for name in state.names]


def test_a_damaged_state_is_named_and_stays(tmp_path):
    saved = Checkpoint(tmp_path, RUN)
    saved.save({"step": 7}, {"x": RNG.random((4, 4)), "y": np.arange(3)})
    for path in sorted(tmp_path.iterdir()):
        whole = path.read_bytes()
        for damaged in (whole[:-9], whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:], b"", None):
            path.unlink() if damaged is None else path.write_bytes(damaged)
            if damaged is None and path.name == "manifest.json":
                path.write_bytes(whole)
                continue  # no manifest: nothing was saved
            with pytest.raises(ValueError, match=str(path)):
                read_all(saved)
            path.write_bytes(whole)
    assert saved.load().progress == {"step": 7}


def test_a_damaged_manifest_is_not_saved_over(tmp_path):
    saved = Checkpoint(tmp_path, RUN)
    saved.save({"step": 7}, {"x": np.ones((4, 4))})
    (tmp_path / "manifest.json").write_text('{"format": 1')
    with pytest.raises(ValueError, match=r"manifest.json: expected a manifest \(JSON\)"):
        saved.save({"step": 8}, {})


def test_the_manifest_of_something_else_is_refused(tmp_path):
    write_manifest(tmp_path, {"dtype": "float32"})
    with pytest.raises(ValueError, match="manifest.json: expected a state, got no arrays, circ"):
        Checkpoint(tmp_path, RUN).load()


@pytest.mark.parametrize(
    ("progress", "arrays", "words"),
    [
        ({"x": {1, 2}}, {}, "content: expected plain values"),
        (
            {},
            {"x": np.ones(2, complex)},
            r"arrays\['x'\].dtype: expected one of float32, .*complex",
        ),
        ({}, {"x": np.array(["a"])}, r"arrays\['x'\].dtype: expected one of float32"),
        ({}, {"x": np.ones(2, "f2")}, r"arrays\['x'\].dtype: expected one of float32"),
    ],
)
def test_what_cannot_be_saved_is_refused_and_the_state_stays(tmp_path, progress, arrays, words):
    saved = Checkpoint(tmp_path, RUN)
    saved.save({"step": 1}, {"x": np.ones(3)})
    with pytest.raises(ValueError, match=words):
        saved.save(progress, {"first": np.zeros((3, 3)), **arrays})
    state = saved.load()
    assert (state.progress, state.names, state.read("x").sum()) == ({"step": 1}, ["x"], 3)


def test_arrays_that_cannot_be_filled_are_refused(tmp_path):
    saved = Checkpoint(tmp_path, RUN)
    saved.save({}, {"x": np.ones((4, 2))})
    state = saved.load()
    for out in (np.ones((4, 3)), np.ones((4, 2), "f4"), np.ones((2, 4)).T):
        with pytest.raises(ValueError, match=r"out: expected shape \(4, 2\), dtype float64, conti"):
            state.read_into("x", out)
    with pytest.raises(ValueError, match="name: expected one of x, got 'y'"):
        state.read("y")


NEAR_THE_LIMIT = """
import resource, sys
import numpy as np
from unlearning.base import checkpoint, durable
from unlearning.base.checkpoint import Checkpoint

checkpoint.BLOCK_BYTES = 2**23
durable.flush = lambda path: None  # saves the time of a busy disk
array = np.empty((6, 2**20))
shapes = {"wide": array, "tall": array.reshape(-1, 48), "flat": array.reshape(-1)}
saved = Checkpoint(sys.argv[1], {})
with open("/proc/self/statm") as file:
    now = int(file.read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + 32 * 2**20,) * 2)
try:
    array.copy()
except MemoryError:
    print("a copy does not fit")
for name, view in shapes.items():
    array[:] = np.arange(6)[:, None]
    saved.save({}, {name: view})
    array[:] = -1
    saved.load().read_into(name, view)
    assert (array[:, ::4096] == np.arange(6)[:, None]).all(), name
saved.save({}, {"turned": array.reshape(48, -1).T})  # not contiguous: copied by blocks
print("done")
"""


def test_a_state_near_the_limit_of_memory_is_saved_and_read_back(tmp_path):
    """48 MiB of state and 32 MiB more to do it in: no copy of the whole fits."""
    command = [sys.executable, "-c", NEAR_THE_LIMIT, str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True)
    assert (run.stdout, run.stderr) == ("a copy does not fit\ndone\n", "")


def test_kills_at_random_moments_leave_a_whole_state_not_older_than_confirmed(tmp_path):
    command = [sys.executable, str(Path(__file__).with_name("killed.py")), str(tmp_path)]
    run = subprocess.run([*command, "210", "5"], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    counts = json.loads(run.stdout)
    assert counts["kills"] == 210
    assert counts["first"] >= 12
    # The kills did fall into saves: within a file, between files, after the manifest.
    for place in ("in a file", "between files", "before the word"):
        assert counts[place] >= 5, counts
