"""Peak memory of each mode of recollection, each in a process of its own, beside what was counted.

On the CPU it is resident memory as Linux counts it; on a GPU, what PyTorch allocated there.
"""

import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

import unlearning as ul
from benchmarks import problems
from unlearning.hfocu.plan import needs_of
from unlearning.hfocu.steps import Rule

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Sizes:
    """Of the problem.

    Attributes:
        n: samples.
        epochs: of the run.
        sets: how many, for the mode of sets only.
        groups: of rows, one after the other, for the mode of groups only.
        repeats: processes a mode.
    """

    n: int = 3000
    epochs: int = 5
    sets: int = 8
    groups: int = 4
    repeats: int = 3


FULL, QUICK = Sizes(), Sizes(n=200, epochs=1, sets=2, repeats=1)


def along(objective, samples, schedule, sets, allowed) -> None:
    """Along with training: no weights are kept."""
    ul.train_and_recollect(objective, samples, schedule)


def replay_kept(objective, samples, schedule, sets, allowed) -> None:
    """From weights that are kept in memory."""
    ul.recollect(ul.train(objective, samples, schedule))


def replay_spilled(objective, samples, schedule, sets, allowed) -> None:
    """From weights that are kept on disk."""
    with tempfile.TemporaryDirectory() as folder:
        ul.recollect(ul.train(objective, samples, schedule, folder=folder))


def in_groups(objective, samples, schedule, sets, allowed) -> None:
    """From weights that are kept on disk, into a folder, with memory for some rows at a time."""
    with tempfile.TemporaryDirectory() as folder:
        run = ul.train(objective, samples, schedule, folder=Path(folder, "run"))
        ul.recollect(run, folder=Path(folder, "rows"), memory=allowed)


def sets_only(objective, samples, schedule, sets, allowed) -> None:
    """Along with training, one vector a set."""
    ul.train_and_recollect(objective, samples, schedule, sets=sets)


GROUPS, SETS = "into a folder, in groups", "sets only"
MODES: dict[str, Callable] = {
    "along with training": along,
    "replay, weights in memory": replay_kept,
    "replay, weights on disk": replay_spilled,
    GROUPS: in_groups,
    SETS: sets_only,
}


def measure(sizes: Sizes, device: str = "cpu") -> dict:
    """Bytes above the level after import, data and a small run of the same kind."""
    rows = []
    for mode in MODES:
        found = [elsewhere(mode, sizes, device) for _ in range(sizes.repeats)]
        peaks = sorted(one.pop("peak") for one in found)
        middle = peaks[len(peaks) // 2]
        rows.append({"mode": mode, "peak": middle, "least": peaks[0], "most": peaks[-1]} | found[0])
    return {"settings": {**asdict(sizes), "d": rows[0]["d"], "steps": rows[0]["steps"]},
            "rows": rows}  # fmt: skip


def elsewhere(mode: str, sizes: Sizes, device: str) -> dict:
    """Watch one mode in a process of its own, beside the bytes that are counted for it here."""
    beside = counted(mode, sizes, device)
    given = {"mode": mode, "device": device, "allowed": beside["counted"], "sizes": asdict(sizes)}
    command = [sys.executable, "-m", "benchmarks.memory", json.dumps(given)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{mode}: {done.stderr.strip().splitlines()[-1]}")
    return {"peak": json.loads(done.stdout), **beside}


def watch(mode: str, sizes: Sizes, device: str, allowed: int) -> int:
    """One mode in this process: its peak. Nothing else is computed here, as freed memory stays."""
    small = replace(sizes, n=64, epochs=1, sets=2)
    _run(mode, small, device, allowed)()  # libraries, threads and their buffers
    work = _run(mode, sizes, device, allowed)
    before = _reset_peak(device)
    work()
    return _peak(device) - before


def _run(mode: str, sizes: Sizes, device: str, allowed: int) -> Callable[[], None]:
    objective, samples, schedule = _problem(sizes, device)
    members = [ul.draw_forget_set(sizes.n, sizes.n // 10, seed) for seed in range(sizes.sets)]
    return lambda: MODES[mode](objective, samples, schedule, members, allowed)


def _problem(sizes: Sizes, device: str):
    data = problems.images(sizes.n, device=device)
    return problems.logistic(data), data.train, problems.schedule(32, sizes.epochs)


def counted(mode: str, sizes: Sizes, device: str) -> dict:
    """What the library's plan counts for a mode, and what the run keeps beside it."""
    objective, samples, schedule = _problem(sizes, device)
    batches, rule = schedule.batches(sizes.n), Rule(objective.l2, None, "R2")
    rows = sizes.sets if mode == SETS else sizes.n
    held = math.ceil(rows / sizes.groups) if mode == GROUPS else rows
    needs = needs_of(objective, samples, batches, rule, "auto", rows)
    at_once = min(held, needs.chunk)
    d, size = objective.dimension, objective.initial_weights.element_size()
    kept = (len(batches) + 1) * d * size if mode == "replay, weights in memory" else 0
    counted = needs.fixed + held * needs.per_row + at_once * needs.per_chunk_row
    return {"counted": counted, "weights kept": kept, "rows": held * d * size,
            "d": d, "steps": len(batches)}  # fmt: skip


def _reset_peak(device: str) -> int:
    """Begin to watch; returns the level now, in bytes."""
    if device != "cpu":
        torch.cuda.synchronize(device)
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    CLEAR.write_text("5", encoding="ascii")  # Linux: the peak is the present level
    return _status("VmRSS")


def _peak(device: str) -> int:
    return _status("VmHWM") if device == "cpu" else torch.cuda.max_memory_allocated(device)


def _status(name: str) -> int:
    lines = STATUS.read_text(encoding="ascii").splitlines()
    (found,) = (line for line in lines if line.startswith(f"{name}:"))
    return 1024 * int(found.split()[1])


if __name__ == "__main__":
    told = json.loads(sys.argv[1])
    print(json.dumps(watch(**told | {"sizes": Sizes(**told["sizes"])})))
