"""Approximators on disk: how fast they are written and read, and what bfloat16 costs them."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch

import unlearning as ul
from benchmarks import clock, problems
from unlearning.base import shards

STORAGES = ("float32", "bfloat16")


@dataclass(frozen=True)
class Sizes:
    """Of the problem and of the measurement.

    Attributes:
        n: samples, and so rows.
        epochs: of the run.
        some: rows that are read instead of all.
        forget: samples deleted.
        repeats: rounds.
    """

    n: int = 4000
    epochs: int = 2
    some: int = 40
    forget: int = 40
    repeats: int = 7


FULL, QUICK = Sizes(), Sizes(n=100, some=5, forget=5, epochs=1, repeats=2)


def measure(sizes: Sizes, device: str = "cpu") -> dict:
    """Throughput of shards, and errors against the rows in memory."""
    data = problems.images(sizes.n, device=device)
    schedule = problems.schedule(32, sizes.epochs)
    run = ul.train(problems.logistic(data), data.train, schedule)
    exact = ul.recollect(run)
    chosen = ul.draw_forget_set(sizes.n, sizes.forget, 0)
    with tempfile.TemporaryDirectory() as folder:
        stores = {name: Path(folder, name) for name in STORAGES}
        kept = {name: ul.recollect(run, folder=place, storage=name)
                for name, place in stores.items()}  # fmt: skip
        errors = [errors_of(run, exact, kept[name], chosen) | {"storage": name} | _size(place)
                  for name, place in stores.items()]  # fmt: skip
        ways = _ways(Path(folder), exact.vectors.cpu(), kept, chosen[: sizes.some])
        ceilings = clock.Ceilings(device)
        times = clock.compare(ways | ceilings.ways(), repeats=sizes.repeats, device=device)
    d = run.objective.dimension
    return {
        "settings": {"n": sizes.n, "d": d, "rows read": sizes.some, "forget": sizes.forget},
        "probe": ceilings.found(times),
        "errors": errors,
        "rows": [{"what": name, **times[name]} for name in ways],
        "gigabytes per second": {
            f"{storage}: {verb}": sizes.n * d * (4 if storage == "float32" else 2)
            / times[f"{storage}: {verb}"]["median_ms"] / 1e6
            for storage in STORAGES for verb in ("write all", "read all")
        },
    }  # fmt: skip


def errors_of(run: ul.Run, exact, kept, chosen: list[int]) -> dict[str, float]:
    """Relative errors of stored rows: the largest over rows, and of what is added to forget."""
    rows = kept.vectors[:]
    gap = (rows - exact.vectors).norm(dim=1) / exact.vectors.norm(dim=1)
    moved = exact.vectors[chosen].sum(0).norm()
    apart = (ul.forget(run, kept, chosen) - ul.forget(run, exact, chosen)).norm()
    return {"largest of a row": float(gap.max()), "of the change": float(apart / moved)}


def _size(place: Path) -> dict[str, int]:
    return {"bytes": sum(path.stat().st_size for path in place.iterdir())}


def _ways(folder: Path, vectors: torch.Tensor, kept, some: list[int]) -> dict[str, clock.Way]:
    def write(storage):
        writer = shards.Writer(folder / "again", vectors.shape[1], storage)
        writer.append(vectors.numpy())
        writer.flush()

    ways = {}
    for name in STORAGES:
        ways[f"{name}: write all"] = clock.Way(lambda name=name: write(name))
        ways[f"{name}: read all"] = clock.Way(lambda name=name: kept[name].vectors[:])
        ways[f"{name}: read some"] = clock.Way(lambda name=name: kept[name].vectors[some])
    return ways
