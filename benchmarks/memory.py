"""Peak memory of each mode of recollection, each in a process of its own, beside what was counted.

On the CPU it is resident memory as Linux counts it; on a GPU, what PyTorch allocated there.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
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
        repeats: processes a mode.
    """

    n: int = 3000
    epochs: int = 5
    sets: int = 8
    repeats: int = 3


FULL, QUICK = Sizes(), Sizes(n=200, epochs=1, sets=2, repeats=1)


def along(objective, samples, schedule, sets) -> None:
    """Along with training: no weights are kept."""
    ul.train_and_recollect(objective, samples, schedule)


def replay_kept(objective, samples, schedule, sets) -> None:
    """From weights that are kept in memory."""
    ul.recollect(ul.train(objective, samples, schedule))


def replay_spilled(objective, samples, schedule, sets) -> None:
    """From weights that are kept on disk."""
    with tempfile.TemporaryDirectory() as folder:
        ul.recollect(ul.train(objective, samples, schedule, folder=folder))


def sets_only(objective, samples, schedule, sets) -> None:
    """Along with training, one vector a set."""
    ul.train_and_recollect(objective, samples, schedule, sets=sets)


MODES: dict[str, Callable] = {
    "along with training": along,
    "replay, weights in memory": replay_kept,
    "replay, weights on disk": replay_spilled,
    "sets only": sets_only,
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
    """Watch one mode in a process of its own."""
    given = json.dumps({"mode": mode, "device": device, **asdict(sizes)})
    command = [sys.executable, "-m", "benchmarks.memory", given]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{mode}: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout)


def watch(mode: str, device: str, n: int, epochs: int, sets: int, **_) -> dict:
    """One mode in this process: its peak, and the bytes that were counted beforehand."""
    _run(mode, device, n=64, epochs=1, sets=2)()  # libraries, threads and their buffers
    work = _run(mode, device, n, epochs, sets)
    before = _reset_peak(device)
    work()
    peak = _peak(device) - before
    return {"peak": peak, **counted(mode, n, epochs, sets, device)}


def _run(mode: str, device: str, n: int, epochs: int, sets: int) -> Callable[[], None]:
    data = problems.images(n, device=device)
    objective, schedule = problems.logistic(data), problems.schedule(32, epochs)
    members = [ul.draw_forget_set(n, n // 10, seed) for seed in range(sets)]
    return lambda: MODES[mode](objective, data.train, schedule, members)


def counted(mode: str, n: int, epochs: int, sets: int, device: str) -> dict:
    """What the library's plan counts for a mode, and what the run keeps beside it."""
    data = problems.images(n, device=device)
    objective, schedule = problems.logistic(data), problems.schedule(32, epochs)
    batches, rule = schedule.batches(n), Rule(objective.l2, None, "R2")
    rows = sets if mode == "sets only" else n
    needs = needs_of(objective, data.train, batches, rule, "auto", rows)
    at_once = min(rows, needs.chunk)
    d, size = objective.dimension, objective.initial_weights.element_size()
    kept = (len(batches) + 1) * d * size if mode == "replay, weights in memory" else 0
    counted = needs.fixed + rows * needs.per_row + at_once * needs.per_chunk_row
    return {"counted": counted, "weights kept": kept, "rows": rows * d * size,
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
    print(json.dumps(watch(**json.loads(sys.argv[1]))))
