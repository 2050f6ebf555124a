"""One result, however it is computed: in memory, into folders, in groups, along with training."""

import re

import pytest
import torch

import unlearning as ul
from tests.cases import cases
from tests.hfocu.chores import memory_for
from unlearning.hfocu.recursion import Recursion

CASES = {case.name: case for case in cases()}
SETS = [[3], [0, 12, 5], [5, 2], [1, 2, 4, 9]]
N, CHUNK = 13, 4
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)
RUN = CASES["logistic"].run(clip=True)
EACH = ul.recollect(RUN)


def again(run: ul.Run, **how) -> tuple[ul.Run, ul.Approximators]:
    """Train as ``run`` was trained, and recollect along the way."""
    return ul.train_and_recollect(run.objective, run.samples, run.schedule, **how)


def close(given, expected):
    torch.testing.assert_close(given, expected, rtol=0, atol=1e-12)


# The same bits where the same rows are worked on at once, by the same kernel.


@every_case
@pytest.mark.parametrize("sets", [None, SETS], ids=["samples", "sets"])
def test_every_mode_ends_with_the_same_bits(case, sets, tmp_path):
    run = case.run(clip=True, epochs=7)  # 21 steps: more than a stretch
    how = {"sets": sets, "chunk": CHUNK}
    expected = ul.recollect(run, **how)
    spilled = ul.train(run.objective, run.samples, run.schedule, folder=tmp_path / "run")
    assert not isinstance(spilled.trajectory, torch.Tensor)
    along, from_along = again(run, **how)
    stored_along, from_stored_along = again(run, folder=tmp_path / "along", **how)
    rows = len(expected.vectors)
    found = {
        "folder": ul.recollect(run, folder=tmp_path / "one", **how),
        "spilled": ul.recollect(spilled, **how),
        "spilled, folder": ul.recollect(spilled, folder=tmp_path / "two", save_every=0, **how),
        "along": from_along,
        "along, folder": from_stored_along,
    }
    for mode, approximators in found.items():
        assert torch.equal(approximators.vectors[:], expected.vectors), mode
        assert len(approximators.vectors) == rows
        assert approximators.sets == expected.sets, mode
        assert approximators.fingerprint == expected.fingerprint, mode
    assert groups_in(tmp_path / "one") == 1
    for other in (along, stored_along, spilled):
        assert torch.equal(other.weights, run.weights)
        assert other.clip_factors == run.clip_factors


def groups_in(folder) -> int:
    return len({path.name.split("-")[1] for path in folder.glob("rows-*")})


@every_case
@pytest.mark.parametrize("rows", [4, 5, 12])
def test_groups_of_any_size_agree(case, rows, tmp_path):
    run = case.run(clip=True)
    memory = memory_for(run, rows, 3)
    found = ul.recollect(run, folder=tmp_path, memory=memory, chunk=3)
    assert groups_in(tmp_path) == -(-N // rows)
    close(found.vectors[:], ul.recollect(run).vectors)


@every_case
@pytest.mark.parametrize("stored", [False, True], ids=["memory", "folder"])
def test_parts_together_are_the_whole(case, stored, tmp_path):
    run = case.run(clip=True)
    whole = ul.recollect(run).vectors
    parts = []
    for i in (1, 2, 3):
        folder = tmp_path / str(i) if stored else None
        parts.append(ul.recollect(run, part=(i, 3), folder=folder))
    close(torch.cat([part.vectors[:] for part in parts]), whole)
    assert [part.first for part in parts] == [0, 4, 8]
    for i in range(N):
        (home,) = (p for p in parts if p.first <= i < p.first + len(p.vectors))
        close(home.rows([i])[0], whole[i])
    close(ul.forget(run, parts[1], [5, 7]), ul.forget(run, ul.recollect(run), [5, 7]))
    with pytest.raises(ValueError, match="samples: expected an integer from 4 to 7 .of this part"):
        ul.forget(run, parts[1], [5, 8])


def test_parts_of_sets_answer_for_their_sets(tmp_path):
    whole = ul.recollect(RUN, sets=SETS)
    for folder in (None, tmp_path):
        part = ul.recollect(RUN, sets=SETS, part=(2, 2), folder=folder)
        assert part.sets == whole.sets[2:]
        close(ul.forget(RUN, part, [2, 5]), ul.forget(RUN, whole, [2, 5]))
        with pytest.raises(ValueError, match="samples: expected one of the 2 recollected sets"):
            ul.forget(RUN, part, SETS[0])


# A finished folder.


def test_a_finished_folder_is_read_and_nothing_computed(tmp_path, monkeypatch):
    folder, other = tmp_path / "replay", tmp_path / "along"
    ul.recollect(RUN, folder=folder)
    _, before = again(RUN, folder=other)
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}

    def never(*_, **__):
        raise AssertionError("computed again")

    monkeypatch.setattr(Recursion, "advance", never)
    monkeypatch.setattr(ul.Objective, "gradient_and_loss", never)
    assert torch.equal(ul.recollect(RUN, folder=folder).vectors[:], EACH.vectors)
    run, after = again(RUN, folder=other)
    assert torch.equal(after.vectors[:], before.vectors[:])
    assert torch.equal(run.weights, RUN.weights)
    assert torch.equal(run.initial_weights, RUN.initial_weights)
    assert run.clip_factors == RUN.clip_factors
    assert run.fingerprint == RUN.fingerprint
    assert torch.equal(ul.forget(run, after, [4]), ul.forget(RUN, EACH, [4]))
    assert written == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"convention": "R1"}, "convention"),
        ({"quirks": ("extra_factor",)}, "quirks"),
        ({"sets": SETS}, "rows, sets"),
        ({"part": (1, 2)}, "rows"),
        ({"storage": "float32"}, "storage"),
        ({"run": CASES["logistic"].run(clip=True, seed=9)}, "run"),
        ({"run": CASES["mlp"].run(clip=True)}, "run"),
    ],
)
def test_a_folder_of_something_else_is_refused(changes, named, tmp_path):
    ul.recollect(RUN, folder=tmp_path)
    run = changes.pop("run", RUN)
    with pytest.raises(ValueError, match="folder: expected") as error:
        ul.recollect(run, folder=tmp_path, **changes)
    assert differing(error) == named
    assert torch.equal(ul.open_approximators(tmp_path).vectors[:], EACH.vectors)


def differing(error) -> str:
    """The names that a message gives with their values."""
    wanted, given = str(error.value).removeprefix("folder: expected ").split(" was made with, got ")
    names = [", ".join(re.findall(r"(\w+) = ", part)) for part in (wanted, given)]
    assert names[0] == names[1]
    return names[0]


def test_the_order_of_quirks_is_no_part_of_what_a_folder_holds(tmp_path, monkeypatch):
    expected = ul.recollect(RUN, folder=tmp_path, quirks=ul.AS_RELEASED).vectors[:]
    monkeypatch.setattr(Recursion, "advance", lambda *_: pytest.fail("computed again"))
    quirks = (*reversed(ul.AS_RELEASED), ul.AS_RELEASED[0])
    found = ul.recollect(RUN, folder=tmp_path, quirks=quirks)
    assert torch.equal(found.vectors[:], expected)
    assert found.quirks == ul.AS_RELEASED


def test_the_mode_is_part_of_what_a_folder_holds(tmp_path):
    ul.recollect(RUN, folder=tmp_path)
    with pytest.raises(ValueError, match="folder: expected") as error:
        again(RUN, folder=tmp_path)
    assert differing(error) == "mode, run"


def test_the_folder_of_a_run_takes_no_approximators(tmp_path):
    ul.train(RUN.objective, RUN.samples, RUN.schedule, folder=tmp_path)
    with pytest.raises(ValueError, match="folder: expected an empty one, or one of this recoll"):
        ul.recollect(RUN, folder=tmp_path)


def test_another_model_with_the_same_weights_is_another_run(tmp_path):
    """The same seed gives softplus and tanh the same initial weights."""
    data, schedule = CASES["mlp"].data, RUN.schedule
    soft, tanh = (
        ul.Objective(ul.models.mlp(data, hidden=5, activation=name), l2=0.1)
        for name in ("softplus", "tanh")
    )
    assert torch.equal(soft.initial_weights, tanh.initial_weights)
    ul.train_and_recollect(soft, data.train, schedule, folder=tmp_path / "along")
    with pytest.raises(ValueError, match="folder: expected run = .* got run = "):
        ul.train_and_recollect(tanh, data.train, schedule, folder=tmp_path / "along")


# What is refused.


def test_a_run_without_its_weights_cannot_be_replayed(tmp_path):
    run = ul.train(RUN.objective, RUN.samples, RUN.schedule, keep=False)
    assert torch.equal(run.weights, RUN.weights)
    for folder in (None, tmp_path / "store"):
        with pytest.raises(ValueError, match="run: expected one that kept its weights"):
            ul.recollect(run, folder=folder)
    assert torch.equal(ul.forget(run, EACH, [4]), ul.forget(RUN, EACH, [4]))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"storage": "bfloat16"}, "storage: expected None without a folder .*got 'bfloat16'"),
        ({"storage": "int8", "folder": "x"}, "storage: expected one of .*got 'int8'"),
        ({"part": (3, 2)}, "part: expected an integer from 1 to 2 .of 2 parts., got 3"),
        ({"part": (0, 2)}, "part: expected an integer from 1 to 2 .of 2 parts., got 0"),
        ({"part": (1, 14)}, "part: expected at most 13 parts, one a row, got 14"),
        ({"part": 2}, r"part: expected two numbers \(i, k\), got 2"),
        ({"part": (1, 2, 3)}, r"part: expected two numbers \(i, k\), got \(1, 2, 3\)"),
        ({"memory": "lots"}, "memory: expected bytes as a number, .*got 'lots'"),
        ({"memory": 0}, "memory: expected an integer of at least 1"),
        ({"memory": "1KiB"}, "memory: expected at least .* for all 13 vectors .*got 1.0 KiB"),
        ({"chunk": 0}, "chunk: expected an integer of at least 1, got 0"),
        ({"chunk": 2.5}, "chunk: expected an integer of at least 1, got 2.5"),
        ({"save_every": -1}, "save_every: expected a finite number of at least 0, got -1"),
        ({"save_every": float("nan")}, "save_every: expected a finite number .*got nan"),
        ({"kernel": "fast"}, "kernel: expected one of auto, .*got 'fast'"),
        ({"quirks": "extra_factor"}, "quirks: expected a list of names .*got 'extra_factor'"),
        ({"sets": 5}, "sets: expected a list of lists of sample numbers, got 5"),
        ({"sets": "12"}, "sets: expected a list of lists"),
        ({"folder": 5}, "folder: expected a path, got 5"),
        ({"folder": __file__}, "folder: expected a folder, .*test_modes.py .Not a direct"),
        ({"folder": f"{__file__}/x/y"}, "folder: expected a folder, .*/x/y .Not a directory"),
        ({"folder": "n" * 300}, "folder: expected a folder, .*nnn .File name too long"),
    ],
    ids=str,
)
def test_bad_settings_are_named(settings, message, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)

    def never(*_, **__):
        raise AssertionError("computed")

    monkeypatch.setattr(Recursion, "advance", never)
    for call in (lambda **how: ul.recollect(RUN, **how), lambda **how: again(RUN, **how)):
        with pytest.raises(ValueError, match=message):
            call(**settings)
    assert not list(tmp_path.iterdir())


def test_advice_fits_the_mode(tmp_path):
    with pytest.raises(ValueError, match="with a folder to write to, they can be computed in gro"):
        ul.recollect(RUN, memory=1)
    with pytest.raises(ValueError, match="13 vectors, computed in groups .*got 1 B .as given.$"):
        ul.recollect(RUN, memory=1, folder=tmp_path)
    for folder in (None, tmp_path):
        with pytest.raises(ValueError, match="along a run that was kept .train with a folder"):
            again(RUN, memory=1, folder=folder)
