"""How the cost of a recollection grows with samples n, weights d and steps T."""

from dataclasses import dataclass

import unlearning as ul
from benchmarks import clock, count, problems
from benchmarks.logistic import fused_together, walk
from unlearning.base.timing import slope


@dataclass(frozen=True)
class Sizes:
    """Of the sweeps; while one of them runs, the others stay at ``at``.

    Attributes:
        n: samples.
        features: d = 10 (features + 1).
        epochs: T = epochs * ceil(n / batch).
        at: n, features and epochs of the other sweeps.
        batch: samples of a step.
        repeats: rounds.
    """

    n: tuple[int, ...] = (256, 512, 1024, 2048, 4096)
    features: tuple[int, ...] = (98, 196, 392, 784, 1568)
    epochs: tuple[int, ...] = (1, 2, 4, 8, 16)
    at: tuple[int, int, int] = (1024, 784, 2)
    batch: int = 32
    repeats: int = 7


FULL = Sizes()
QUICK = Sizes((64, 128, 256), (32, 64, 128), (1, 2, 4), at=(128, 64, 1), repeats=3)


def measure(sizes: Sizes, device: str = "cpu") -> dict:
    """Milliseconds a step against n and d, and of the run against T, with fitted exponents."""
    n, features, epochs = sizes.at
    sweeps = {
        "n": [(k, features, 1) for k in sizes.n],
        "d": [(n, k, 1) for k in sizes.features],
        "T": [(n, features, k) for k in sizes.epochs],
    }
    ceilings = clock.Ceilings(device)
    probe, rows, slopes = {}, [], {}
    for name, points in sweeps.items():
        ways, values, work = {}, [], []
        for point in points:
            run = _run(*point, sizes.batch, device)
            one_step = walk(run)
            # A step's time in n and d; the whole run's in T.
            parts = 1 if name == "T" else len(run)
            sized = {"n": len(run.samples), "d": run.objective.dimension, "T": len(run)}
            values.append(sized)
            each = count.softmax_step(sized["n"], sized["d"], sizes.batch,
                                      together=fused_together(run, sizes.batch))  # fmt: skip
            work.append(each * (len(run) // parts))
            ways[str(sized[name])] = clock.Way(one_step.work, parts, one_step.prepare)
        times = clock.compare(ways | ceilings.ways(), repeats=sizes.repeats, device=device)
        probe = ceilings.found(times)
        swept = [{"sweep": name, **sized, **each.beside(times[way], probe)}
                 for sized, way, each in zip(values, ways, work, strict=True)]  # fmt: skip
        rows += swept
        slopes[name] = slope([r[name] for r in swept], [r["median_ms"] for r in swept])
    settings = {"batch": sizes.batch, "n": n, "d": 10 * (features + 1), "epochs": epochs}
    return {"settings": settings, "probe": probe, "rows": rows, "slopes": slopes}


def _run(n: int, features: int, epochs: int, batch: int, device: str) -> ul.Run:
    data = problems.features(n, features, device)
    return ul.train(problems.logistic(data), data.train, problems.schedule(batch, epochs))
