"""All approximators of the full MNIST: 60,000 of softmax regression, 10,000 of the CNN.

Meant for a GPU. The images are MNIST's if the folder ``UNLEARNING_DATA`` has them, else random of
the same shape; time and memory do not depend on it, and the result names which.
"""

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch

import unlearning as ul
from benchmarks import clock, count, problems
from unlearning.base import shards
from unlearning.curvature import products
from unlearning.hfocu.recollection import train_and_recollect

#: Of the 60,000: seconds of compute on an H200, and bytes stored.
WANTED = {"seconds": 60, "bytes": 2.5e9}


@dataclass(frozen=True)
class Sizes:
    """Of both problems.

    Attributes:
        logistic: samples, all of them with an approximator.
        cnn: likewise.
        batch: samples of a step, softmax regression and CNN: as many times the published 32 and
            64 as there are times the published 1,000 samples.
        epochs: passes over the data. 15 and 20 are published; for the CNN fewer suffice to know
            what a step takes, which does not change from step to step.
        chunk: vectors of the CNN multiplied at once on a GPU; None for the library's choice.
    """

    logistic: int = 60_000
    cnn: int = 10_000
    batch: tuple[int, int] = (1_920, 640)
    epochs: tuple[int, int] = (15, 1)
    chunk: int | None = None


FULL, QUICK = Sizes(), Sizes(logistic=120, cnn=8, batch=(32, 4), epochs=(1, 1))


def measure(sizes: Sizes, device: str = "cpu") -> dict:
    """Seconds of compute and of storing, bytes stored, and the ceilings of the same run."""
    ceilings = clock.Ceilings(device)
    times = clock.compare(ceilings.ways(), repeats=5, warmups=2, device=device)
    probe = ceilings.found(times)
    rows = [_logistic(sizes, device, probe), _cnn(sizes, device, probe)]
    return {
        "settings": {"epochs": sizes.epochs, "batch": sizes.batch},
        "probe": probe,
        "rows": rows,
        "wanted": WANTED,
    }


def _logistic(sizes: Sizes, device: str, probe: dict) -> dict:
    data, source = _images(sizes.logistic, device)
    objective = problems.logistic(data)
    schedule = problems.schedule(sizes.batch[0], sizes.epochs[0])
    found = _recollect(objective, data, schedule, None)
    work = count.softmax_step(sizes.logistic, objective.dimension, sizes.batch[0])
    return {"what": "softmax regression", "data": source} | found | _limit(work, found, probe)


def _cnn(sizes: Sizes, device: str, probe: dict) -> dict:
    data, source = _images(sizes.cnn, device)
    objective = problems.cnn(data)
    schedule = problems.schedule(sizes.batch[1], sizes.epochs[1])
    found = _recollect(objective, data, schedule, sizes.chunk)
    batch = data.train.inputs[: sizes.batch[1]]
    work = count.hessian_products(objective, batch, sizes.cnn)
    return {"what": "CNN", "data": source} | found | _limit(work, found, probe)


def _limit(work: count.Work, found: dict, probe: dict) -> dict:
    seconds = work.limit_ms(probe) * found["steps"] / 1e3
    return {"limit_seconds": seconds, "over_limit": found["seconds"] / seconds}


def _recollect(objective, data: ul.Data, schedule: ul.Schedule, chunk: int | None) -> dict:
    """Train and recollect in memory, then store; a run of few samples goes first, to warm up."""
    few = data.train[: schedule.batch_size]
    train_and_recollect(objective, few, problems.schedule(schedule.batch_size, 1))
    device = str(data.train.inputs.device)
    computed, (_, approximators) = _seconds(
        lambda: train_and_recollect(objective, data.train, schedule, chunk=chunk), device
    )
    with tempfile.TemporaryDirectory() as folder:
        stored, _ = _seconds(lambda: _store(approximators.vectors, Path(folder)), device)
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
    return {
        "n": len(data.train), "d": objective.dimension, "batch": schedule.batch_size,
        "steps": len(schedule.batches(len(data.train))), "kernel": products.kernel_for(objective),
        "seconds": computed, "seconds_to_store": stored, "bytes_stored": size,
    }  # fmt: skip


def _store(vectors: torch.Tensor, folder: Path) -> None:
    writer = shards.Writer(folder, vectors.shape[1], "float32")
    for part in vectors.split(4096):
        writer.append(part.cpu().numpy())
    shards.write_manifest(folder, {"dtype": "float32", "blocks": writer.flush()})


def _seconds(work, device: str):
    if device != "cpu":
        torch.cuda.synchronize()
    begin = time.perf_counter()
    found = work()
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - begin, found


def _images(n: int, device: str) -> tuple[ul.Data, str]:
    if "UNLEARNING_DATA" not in os.environ:
        return problems.images(n, device=device), "random"
    data = ul.load("mnist", seed=0, n_train=n)
    train, test = (part.to(device=device) for part in (data.train, data.test))
    return ul.Data("mnist", train, test), "MNIST"
