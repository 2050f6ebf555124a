"""What the children of ``warm`` do: recollect, tell how far they are, and die on request."""

import dataclasses
import os
import signal
from pathlib import Path

import torch

import unlearning as ul
from tests.cases import random_data
from unlearning.hfocu.job import Job
from unlearning.hfocu.recursion import Recursion
from unlearning.hfocu.settings import Settings
from unlearning.hfocu.sources import Replay
from unlearning.training.path import OnDisk

#: What a folder can be filled with. ``rows``: of a group. The first makes several steps at once.
MODES = {
    "groups of rows, several steps at once": {"model": "logistic", "rows": 5, "chunk": 2},
    "groups of rows, layers": {"model": "mlp", "rows": 8, "chunk": 3},
    "sets, from weights on disk": {"model": "logistic", "sets": [[1, 4], [2], [4, 9, 11]]},
    "along with training": {"model": "logistic", "along": True},
}
SCHEDULE = ul.Schedule(0.2, decay=0.99, batch_size=5, epochs=7, clip=1.2, seed=3)


def parts(model: str):
    """Objective, samples and schedule, in single precision."""
    data = random_data()
    samples = data.train.to(torch.float32)
    small = ul.Data("random", samples, samples)
    built = {
        "logistic": ul.models.logistic,
        "mlp": lambda data: ul.models.mlp(data, hidden=3, activation="softplus"),
    }[model](small)
    return ul.Objective(built, l2=0.05), samples, SCHEDULE


def memory_for(run: ul.Run, rows: int, chunk: int) -> int:
    """Bytes with which so many rows are held at once."""
    needs = Job(Replay(run), Settings()).needs
    return needs.fixed + chunk * needs.per_chunk_row + rows * needs.per_row


def recollection(report, folder, mode, die_at=None, signal_at=None, save_every=0):
    """Fill a folder in one of the modes.

    Reports "ready", then ``[row, first step, end]`` after every unit of steps and before it is
    saved, and at last how many operations on files there were.

    Args:
        report: is told.
        folder: to fill; the run lies beside it.
        mode: out of ``MODES``.
        die_at: number of the operation on files before which the process kills itself.
        signal_at: ``(number of units, signal)``: sent to itself after so many.
        save_every: as for ``recollect``.
    """
    _report_units(report, signal_at)
    objective, samples, schedule = parts(MODES[mode]["model"])
    how = settings(mode) | {"folder": folder, "save_every": save_every}
    along = how.pop("along", False)
    if not along:
        run = ul.train(objective, samples, schedule, folder=Path(folder).with_name("run"))
        rows = how.pop("rows", None)
        if rows:
            how["memory"] = memory_for(run, rows, how["chunk"])
    report("ready")
    files = _count_file_operations(die_at)
    if along:
        ul.train_and_recollect(objective, samples, schedule, **how)
    else:
        ul.recollect(run, **how)
    report({"operations": files.count})


def settings(mode: str) -> dict:
    """The arguments of ``recollect`` in a mode, and ``rows`` and ``along``."""
    return {name: value for name, value in MODES[mode].items() if name != "model"}


class _Files:
    """Counts what changes files; a state is at stake before and after each."""

    def __init__(self, die_at: int | None):
        self.count, self.die_at = 0, die_at

    def watched(self, operation):
        def watch(*arguments, **named):
            if self.count == self.die_at:
                os.kill(os.getpid(), signal.SIGKILL)
            self.count += 1
            return operation(*arguments, **named)

        return watch


def _count_file_operations(die_at: int | None) -> _Files:
    files = _Files(die_at)
    # A kill, unlike a power cut, loses nothing that the system has taken: waiting is not needed.
    os.fsync = lambda handle: None
    for name in ("fsync", "replace", "unlink", "rmdir", "mkdir", "open"):
        setattr(os, name, files.watched(getattr(os, name)))
    return files


def _report_units(report, signal_at) -> None:
    advance, units = Recursion.advance, 0

    def reporting(recursion, vectors, stretch):
        nonlocal units
        for steps in advance(recursion, vectors, stretch):
            report([recursion.rows.start, steps.start, steps.stop])
            units += 1
            if signal_at and units == signal_at[0]:
                os.kill(os.getpid(), signal_at[1])
            yield steps

    Recursion.advance = reporting


def training(report, folder, die_at=None, signal_at=None, save_every=0):
    """Train into a folder; reports and arguments as in ``recollection``, a stretch for a unit."""
    _report_steps(report, signal_at)
    objective, samples, schedule = parts("mlp")
    report("ready")
    files = _count_file_operations(die_at)
    longer = dataclasses.replace(schedule, epochs=40)  # several stretches
    ul.train(objective, samples, longer, folder=folder, save_every=save_every)
    report({"operations": files.count})


def _report_steps(report, signal_at) -> None:
    add, units = OnDisk.add, 0

    def reporting(keeper, weights):
        nonlocal units
        add(keeper, weights)
        units += 1
        report(units)
        if signal_at and units == signal_at[0]:
            os.kill(os.getpid(), signal_at[1])

    OnDisk.add = reporting
