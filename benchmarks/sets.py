"""A sweep over forget sets: one vector a set, against one vector a sample that are then added."""

from dataclasses import dataclass

import unlearning as ul
from benchmarks import clock, count, problems
from benchmarks.logistic import fused_together


@dataclass(frozen=True)
class Sizes:
    """Of the problem and of the measurement.

    Attributes:
        n: samples.
        epochs: of the run.
        forget: numbers of samples deleted: those of the released sweep on MNIST, 50 twice.
        repeats: rounds.
    """

    n: int = 1000
    epochs: int = 15
    forget: tuple[int, ...] = (10, 50, 50, 100, 150, 200, 250, 300)
    repeats: int = 5


FULL, QUICK = Sizes(), Sizes(n=100, epochs=2, forget=(1, 5, 10), repeats=2)


def measure(sizes: Sizes, device: str = "cpu") -> dict:
    """Milliseconds of a whole sweep, either way."""
    data = problems.images(sizes.n, device=device)
    schedule = problems.schedule(32, sizes.epochs)
    run = ul.train(problems.logistic(data), data.train, schedule)
    sets = [ul.draw_forget_set(sizes.n, m, seed) for seed, m in enumerate(sizes.forget)]

    def by_sets():
        vectors = ul.recollect(run, sets=sets)
        return [ul.forget(run, vectors, members) for members in sets]

    def by_samples():
        vectors = ul.recollect(run)
        return [ul.forget(run, vectors, members) for members in sets]

    ways = {"one vector a set": by_sets, "one vector a sample": by_samples}
    ceilings = clock.Ceilings(device)
    times = clock.compare({name: clock.Way(way) for name, way in ways.items()} | ceilings.ways(),
                          repeats=sizes.repeats, device=device)  # fmt: skip
    probe = ceilings.found(times)
    d, together = run.objective.dimension, fused_together(run, schedule.batch_size)
    vectors = {"one vector a set": len(sets), "one vector a sample": sizes.n}
    work = {name: count.softmax_step(k, d, schedule.batch_size, together=together) * len(run)
            for name, k in vectors.items()}  # fmt: skip
    slow, fast = times["one vector a sample"], times["one vector a set"]
    return {
        "settings": {"n": sizes.n, "d": d, "steps": len(run),
                     "forget": list(sizes.forget)},
        "probe": probe,
        "rows": [{"what": name} | work[name].beside(times[name], probe) for name in ways],
        "ratios": {"one vector a sample": clock.ratio(slow, fast)},
    }  # fmt: skip
