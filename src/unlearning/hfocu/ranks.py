"""Recollection by several processes: each computes a part of the rows and needs no other for it.

Every row of the result is a recursion of its own. So all that the ranks of ``torchrun`` share is
the run, whose weights the first of them spills to disk::

    folder/run/             the run, read by all, so that all start from the same bits
    folder/part-2-of-3/     the rows of the second of three; its own state while it is unfinished
    folder/manifest.json    written last: one store over all parts, none of which is copied
"""

import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from unlearning.base import checks, memory, shards
from unlearning.base.durable import MANIFEST, read_manifest
from unlearning.base.locks import held
from unlearning.hfocu.approximators import Approximators, open_approximators
from unlearning.hfocu.job import Job
from unlearning.hfocu.plan import make_plan
from unlearning.hfocu.recollection import recollect
from unlearning.hfocu.settings import Settings
from unlearning.hfocu.sources import Along
from unlearning.problem.objective import Objective
from unlearning.problem.samples import Samples
from unlearning.training.schedule import Schedule
from unlearning.training.trajectory import Run, open_run, starting_weights, train

#: Ranks wait for the slowest one; PyTorch's own limit of some minutes is meant for small steps.
PATIENCE = timedelta(days=30)
SHOWN = 4  # parts that a message names


def recollect_on_ranks(
    objective: Objective,
    samples: Samples,
    schedule: Schedule,
    folder: str | Path,
    *,
    part: tuple[int, int] | None = None,
    initial_weights: torch.Tensor | None = None,
    **settings,
) -> Approximators | None:
    """Train once, and recollect a share of the rows in each rank of ``torchrun``.

    Every rank calls it with the same problem. Nothing is gathered: each writes its own rows, and
    the first one lists all of them in one manifest at the end. The same call goes on after a kill.
    With ``part``, one process computes a part, or goes on with it, without the others; the one that
    finishes the last part merges them.

    Args:
        objective: as for ``train``, on the device of this rank.
        samples: as for ``train``, on the device of this rank.
        schedule: as for ``train``.
        folder: for the run and all parts, seen by all ranks.
        part: ``(i, k)`` computes the i-th of k parts, in this process alone. By default each rank
            computes one, of as many as there are ranks: a single one without ``torchrun``.
        initial_weights: as for ``train``.
        settings: as for ``recollect``. ``memory`` is for each rank; by default those on this
            machine share what is free.

    Returns:
        The approximators, read from the folder; None as long as other parts are missing.

    Raises:
        ValueError: as ``train`` and ``recollect`` do; if the folder was begun with another number
            of parts or holds another run, or if another process is at this part.
        KeyboardInterrupt: after Ctrl-C, when the state of this part has been saved.
    """
    folder = checks.folder("folder", folder, make=False)
    start = starting_weights(objective, samples, initial_weights)
    with _ranks(start.device, alone=part is not None) as ranks:
        part = part or (ranks.number + 1, ranks.count)
        whole, asked = _whole(folder), Settings.of(**settings, part=part, folder=folder)
        # As they were checked: an iterator, of quirks for one, can be read only once.
        settings = {name: getattr(asked, name) for name in settings}
        if not whole:
            _refuse_another_number(folder, part[1])
            _refuse_now(Along(objective, samples, schedule, start), asked)
        problem = (objective, samples, schedule, start)
        if ranks.number == 0:
            _trained(*problem, folder, asked.save_every)
        ranks.wait()
        run = _trained(*problem, folder, asked.save_every)
        if whole:
            return recollect(run, folder=folder, **settings)
        _compute(run, folder, part, ranks, settings)
        ranks.wait()
        if ranks.number == 0 and not unfinished_parts(folder, part[1]):
            merge_parts(folder)
        ranks.wait()
        return open_approximators(folder, start.device) if (folder / MANIFEST).exists() else None


def _whole(folder: Path) -> bool:
    """Whether the folder holds a finished store.

    Raises:
        ValueError: if it holds something else.
    """
    if not (folder / MANIFEST).exists():
        return False
    if "identity" not in read_manifest(folder):
        checks.fail("folder", "an empty one, or one of this recollection", f"another: {folder}")
    return True


def _refuse_now(source: Along, settings: Settings) -> None:
    """Refuse before the training what would be refused after it: memory, kernel, sets, part."""
    job = Job(source, settings)
    asked = {"chunk": settings.chunk, "group": None, "allowed": settings.memory}
    device = source.samples.inputs.device
    make_plan(job.needs, len(job.rows), **asked, device=device, whole="")


def part_folder(folder: str | Path, part: tuple[int, int]) -> Path:
    """Where the i-th of k parts of a store is: ``folder/part-i-of-k``."""
    return Path(folder, "part-{}-of-{}".format(*part))


def merge_parts(folder: str | Path) -> None:
    """Make one store of the parts in a folder, by one manifest that lists all their rows.

    The parts stay where they are. Merging again, or by two processes at once, does no harm.

    Args:
        folder: with ``part-1-of-k`` to ``part-k-of-k``, each as ``recollect(part=...)`` made it.

    Raises:
        ValueError: if parts are missing or unfinished (it names them), of another recollection
            (it says in what they differ), or damaged.
    """
    folder = checks.path("folder", folder)
    counts = _counts(folder)
    if len(counts) != 1:
        found = f"parts of {' and of '.join(map(str, counts))}" if counts else "none"
        checks.fail("folder", "parts of one whole, named part-1-of-2 and so on",
                    f"{found} in {folder}")  # fmt: skip
    waited_for = unfinished_parts(folder, counts[0])
    if waited_for:
        advice = "recollect each of them, for example with part=(1, 2) for part-1-of-2"
        checks.fail("folder", f"{counts[0]} finished parts in {folder}",
                    f"{waited_for}; {advice}")  # fmt: skip
    with held(folder / "locks", "merge", wait=True):
        parts = [part_folder(folder, (i + 1, counts[0])) for i in range(counts[0])]
        shards.merge(folder, parts)


def unfinished_parts(folder: Path, count: int) -> str:
    """The first few of ``count`` parts that are not there yet, in words; empty if all are."""
    parts = [part_folder(folder, (i + 1, count)) for i in range(count)]
    open_ones = [path for path in parts if not (path / MANIFEST).exists()]
    shown = [
        f"{path.name} ({'unfinished' if path.exists() else 'missing'})"
        for path in open_ones[:SHOWN]
    ]
    more = len(open_ones) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _counts(folder: Path) -> list[int]:
    """Of how many parts there are parts in the folder: one number, if all is well."""
    names = (re.fullmatch(r"part-\d+-of-(\d+)", path.name) for path in folder.glob("part-*"))
    return sorted({int(name[1]) for name in names if name})


def _refuse_another_number(folder: Path, count: int) -> None:
    for other in _counts(folder):
        if other != count:
            advice = f"go on with {other} ranks, or with part=(i, {other}), or take another folder"
            checks.fail("part", f"one of {other} parts, as {folder} was begun with",
                        f"{count}; {advice}")  # fmt: skip


def _trained(
    objective, samples, schedule, start: torch.Tensor, folder: Path, save_every: float
) -> Run:
    """The run in the folder; it is trained if it is not there, by one process at a time."""
    place = folder / "run"
    with held(folder / "locks", "run", wait=True):
        if not (place / MANIFEST).exists():
            how = {"initial_weights": start, "folder": place, "save_every": save_every}
            train(objective, samples, schedule, **how)
    run = open_run(place, objective, samples)
    if run.schedule != schedule or not torch.equal(run.initial_weights, start):
        differs = "initial weights" if run.schedule == schedule else f"schedule: {run.schedule}"
        checks.fail("folder", "the run of this problem", f"{place}, which has other {differs}")
    return run


def _compute(run: Run, folder: Path, part, ranks: "_Ranks", settings: dict[str, Any]) -> None:
    """The rows of one part, into its own folder."""
    place = part_folder(folder, part)
    shared = ranks.sharing > 1 and settings.get("memory") is None
    if shared and not (place / "state" / MANIFEST).exists():  # else it goes on as it was begun
        free = memory.available(run.weights.device)
        settings = {**settings, "memory": int(0.9 * free / ranks.sharing)}
    recollect(run, folder=place, part=part, **settings)


@dataclass(frozen=True)
class _Ranks:
    """This process among those that work on one store.

    Attributes:
        number: of this rank, from 0.
        count: of all ranks.
        sharing: ranks that share the memory of this one's device.
        devices: the GPU to wait with, if ranks wait by nccl.
    """

    number: int = 0
    count: int = 1
    sharing: int = 1
    devices: list[int] | None = None

    def wait(self) -> None:
        """Until all ranks are here."""
        if self.count > 1:
            distributed.barrier(device_ids=self.devices)


@contextmanager
def _ranks(device: torch.device, alone: bool) -> Iterator[_Ranks]:
    """The ranks that ``torchrun`` started, or this process by itself."""
    begun = distributed.is_available() and distributed.is_initialized()
    if alone or not (begun or "RANK" in os.environ):
        yield _Ranks()
        return
    local = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    gpus = torch.cuda.device_count() if device.type == "cuda" else 0
    if not begun:
        # nccl wants a GPU for each rank; on fewer they still can take turns.
        backend = "nccl" if local <= gpus else "gloo"
        distributed.init_process_group(backend, timeout=PATIENCE)
    devices = [device.index or 0] if distributed.get_backend() == "nccl" else None
    sharing = math.ceil(local / max(1, gpus))
    yield _Ranks(distributed.get_rank(), distributed.get_world_size(), sharing, devices)
    if not begun:  # after an error the others are not waited for: torchrun ends them
        distributed.destroy_process_group()
