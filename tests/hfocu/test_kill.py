"""Recollections into a folder are killed at many moments, and end with the same bits."""

import random
import re
import shutil
import signal
from pathlib import Path

import pytest
import torch

import unlearning as ul
from tests.hfocu.chores import MODES, memory_for, parts, settings
from tests.hfocu.warm import Warm
from unlearning.base.durable import MANIFEST
from unlearning.hfocu.recursion import Recursion

CHORE = "tests.hfocu.chores:recollection"
KILLS_PER_MODE = 52
every_mode = pytest.mark.parametrize("mode", MODES)


@pytest.fixture(scope="module")
def warm():
    with Warm() as process:
        yield process


class Bench:
    """A folder for one mode: what an uninterrupted recollection leaves there."""

    def __init__(self, warm, root: Path, mode: str):
        self.warm, self.root, self.mode, self.test = warm, root, mode, "reference"
        whole = self.call("whole")
        assert whole.finished, whole.error
        self.whole = self.folder("whole")
        self.reference = bits(self.whole)
        again = self.call("again")  # the run itself is there now
        assert bits(self.folder("again")) == self.reference
        self.units = [tuple(report) for report in again.reports if isinstance(report, list)]
        self.operations = again.reports[-1]["operations"]
        self.seconds = again.seconds

    def folder(self, name: str) -> Path:
        """Of one recollection of the present test."""
        return self.root / f"{self.test}-{name}"

    def call(self, name: str, kill_after=None, **arguments):
        arguments = {"folder": str(self.folder(name)), "mode": self.mode, **arguments}
        return self.warm.call(CHORE, arguments, kill_after)

    def check_finished(self, name: str):
        folder = self.folder(name)
        assert bits(folder) == self.reference
        assert not (folder / "state").exists()
        assert not list(folder.rglob("*.part"))
        assert files(folder) == files(self.whole)


@pytest.fixture(scope="module")
def benches():
    return {}


@pytest.fixture
def bench(warm, benches, tmp_path, tmp_path_factory, mode):
    if mode not in benches:
        benches[mode] = Bench(warm, tmp_path_factory.mktemp("bench"), mode)
    benches[mode].test = tmp_path.name
    return benches[mode]


def bits(folder: Path) -> tuple:
    found = ul.open_approximators(folder)
    vectors = found.vectors[:]
    return vectors.dtype, vectors.shape, vectors.numpy().tobytes(), found.fingerprint, found.sets


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def units_of(outcome) -> list[tuple]:
    return [tuple(report) for report in outcome.reports if isinstance(report, list)]


def check_continues(done: list[tuple], now: list[tuple], units: list[tuple]):
    """At most the last unit is made again, none is left out, and the cuts are the same."""
    if now:
        at = units.index(now[0])
        assert units[at : at + len(now)] == now
        after = units.index(done[-1]) if done else 0
        assert after <= at <= after + 1, f"{done[-1:]} was made, then {now[0]}"


@every_mode
def test_killed_at_random_moments(bench, mode):
    """Killed with nothing prepared for it, again and again, until it has come to its end."""
    rng = random.Random(mode)
    kills = kills_within = chain = 0

    def enough():
        return kills >= KILLS_PER_MODE and kills_within > KILLS_PER_MODE / 5

    # On a busy machine fewer of them fall within the work: then more are needed.
    while not enough() and kills < 4 * KILLS_PER_MODE:
        done, name, chain, wait = [], f"chain-{chain}", chain + 1, bench.seconds / 4
        while True:
            outcome = bench.call(name, kill_after=rng.uniform(0, wait))
            wait *= 1.1  # on a busy machine, too, it comes to its end
            assert not outcome.error
            now = units_of(outcome)
            check_continues(done, now, bench.units)
            done += now
            if outcome.finished:
                break
            assert outcome.signal == signal.SIGKILL
            kills += 1
            kills_within += len(now) > 0
        bench.check_finished(name)
        assert len(done) >= len(bench.units)
    assert enough()  # or the moments would be no test


@pytest.mark.parametrize("mode", ["groups of rows, several steps at once", "along with training"])
def test_killed_before_each_operation_on_files_at_its_end(bench):
    """From the last states over the last rows and the manifest to the removal of the state."""
    tail = 20
    done = units_of(bench.call("near", die_at=bench.operations - tail))
    near = bench.folder("near")
    assert (near / "state" / MANIFEST).exists()
    shutil.copytree(near, bench.folder("counted"))
    left = bench.call("counted").reports[-1]["operations"]
    assert left > tail / 2
    after_manifest = 0
    for k in range(left):
        name = f"killed-{k}"
        shutil.copytree(near, bench.folder(name))
        outcome = bench.call(name, die_at=k)
        assert outcome.signal == signal.SIGKILL
        after_manifest += (bench.folder(name) / MANIFEST).exists()
        again = bench.call(name)
        assert again.finished, again.error
        check_continues(done + units_of(outcome), units_of(again), bench.units)
        bench.check_finished(name)
    assert after_manifest >= 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
@pytest.mark.parametrize("when", ["first", "inside", "last"])
@pytest.mark.parametrize("mode", ["groups of rows, several steps at once", "along with training"])
def test_a_request_to_stop_saves_at_once_and_says_so(bench, number, when):
    """Although no state is due for an hour."""
    units = len(bench.units)
    at = {"first": 1, "inside": units // 2, "last": units}[when]
    stopped = bench.call("stopped", signal_at=[at, int(number)], save_every=3600)
    assert "KeyboardInterrupt: stopped after step" in stopped.error
    assert "the same call goes on from there" in stopped.error
    assert str(bench.folder("stopped")) in stopped.error
    assert (bench.folder("stopped") / "state" / MANIFEST).exists()
    done = units_of(stopped)
    assert done == bench.units[:at]
    again = bench.call("stopped", save_every=3600)
    assert again.finished, again.error
    assert done + units_of(again) == bench.units  # nothing twice, nothing left out
    bench.check_finished("stopped")


# Other circumstances would give other last bits.


@pytest.fixture
def half(warm, tmp_path):
    """A folder whose recollection was stopped in the middle, and the call that would go on."""
    mode = "groups of rows, several steps at once"
    arguments = {"folder": str(tmp_path / "half"), "mode": mode, "signal_at": [10, signal.SIGINT]}
    assert "KeyboardInterrupt" in warm.call(CHORE, arguments).error
    objective, samples, _ = parts("logistic")
    run = ul.open_run(tmp_path / "run", objective, samples)
    how = settings(mode)
    memory = memory_for(run, how.pop("rows"), how["chunk"])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield lambda **changes: ul.recollect(
        run, **{"folder": tmp_path / "half", "memory": memory, **how, **changes}
    )
    torch.set_num_threads(threads)


def refused(call, message: str, **changes):
    with pytest.raises(ValueError, match=rf"folder: expected {message}"):
        call(**changes)


def test_other_circumstances_are_refused_by_name(half, monkeypatch):
    refused(half, "chunk = 2.* got chunk = 1", chunk=1)
    refused(half, "kernel = 'softmax'.* kernel = 'generic'", kernel="generic", memory=2**30)
    refused(half, "convention = 'R2'.* got convention = 'R1'", convention="R1")
    torch.set_num_threads(2)
    refused(half, "threads = 1.* got threads = 2")
    torch.set_num_threads(1)
    version = re.escape(torch.__version__)
    with monkeypatch.context() as patch:
        patch.setattr(torch, "__version__", "9.9")
        refused(half, rf"torch = '{version}'.* got torch = '9.9'")
    assert half().vectors[:].isfinite().all()  # no refusal has harmed what was there


@pytest.mark.parametrize("more", [None, "1GiB"])
def test_chunk_and_group_need_not_be_said_again(half, tmp_path, warm, more):
    whole = {"folder": str(tmp_path / "whole"), "mode": "groups of rows, several steps at once"}
    assert warm.call(CHORE, whole).finished
    found = half(chunk=None, memory=more)
    assert torch.equal(found.vectors[:], ul.open_approximators(tmp_path / "whole").vectors[:])


@pytest.mark.parametrize("what", ["manifest", "vectors"])
def test_a_damaged_state_is_named(half, tmp_path, what):
    state = tmp_path / "half" / "state"
    path = state / MANIFEST if what == "manifest" else next(state.glob("?-0-*.safetensors"))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=path.name):
        half()


def test_too_little_memory_to_go_on_says_what_it_was_begun_with(half):
    with pytest.raises(ValueError, match=r"memory: .* was begun with chunk = 2 and group = 5: all"):
        half(chunk=None, memory=2**14)
    assert half().vectors[:].isfinite().all()


@pytest.mark.parametrize("finished", [False, True], ids=["unfinished", "finished"])
def test_rows_that_went_missing_are_named_with_the_remedy(half, tmp_path, finished):
    folder = tmp_path / "half"
    if finished:
        half()
        remedy = folder / MANIFEST
    else:
        with pytest.raises(KeyboardInterrupt):
            stopped_in_the_second_group(half)
        remedy = folder / "state"
    whole = half if finished else None
    gone = sorted(folder.glob("rows-*"))[0]
    gone.unlink()
    with pytest.raises(ValueError, match=rf"{gone.name}: .*; delete {remedy} to compute"):
        half()
    shutil.rmtree(remedy) if remedy.is_dir() else remedy.unlink()
    assert half().vectors[:].isfinite().all()
    assert whole is None or gone.exists()


def stopped_in_the_second_group(half):
    """Go on until the first file of rows is there, and a little further."""
    finish = Recursion.advance

    def advance(recursion, vectors, stretch):
        if recursion.rows.start > 0:
            signal.raise_signal(signal.SIGINT)
        yield from finish(recursion, vectors, stretch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Recursion, "advance", advance)
        half()
