"""What saving the state costs a recollection into a folder."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import unlearning as ul
from benchmarks import clock, problems
from unlearning.base.checkpoint import Checkpoint

NEVER = 1e9  # seconds


@dataclass(frozen=True)
class Sizes:
    """Of the problem and of the measurement.

    Attributes:
        n: samples.
        epochs: of the run.
        often: seconds between two states, for a run to be seen to slow down.
        repeats: rounds.
    """

    n: int = 1000
    epochs: int = 15
    often: float = 0.5
    repeats: int = 5


FULL, QUICK = Sizes(), Sizes(n=100, epochs=2, often=0.01, repeats=2)


def measure(sizes: Sizes, device: str = "cpu") -> dict:
    """Milliseconds of a run without states, with many, and of writing one state."""
    data = problems.images(sizes.n, device=device)
    schedule = problems.schedule(32, sizes.epochs)
    run = ul.train(problems.logistic(data), data.train, schedule)
    array = ul.recollect(run).vectors.cpu().numpy()
    with tempfile.TemporaryDirectory() as folder:
        checkpoint, number = Checkpoint(Path(folder, "state"), {}), iter(range(10**6))

        def recollect(seconds):
            ul.recollect(run, folder=Path(folder, str(next(number))), save_every=seconds)

        ways = {
            "in memory": lambda: ul.recollect(run),
            "into a folder, no states": lambda: recollect(NEVER),
            f"into a folder, a state each {sizes.often:g} s": lambda: recollect(sizes.often),
            "one state": lambda: checkpoint.save({}, {"vectors": array}),
        }
        ceilings = clock.Ceilings(device)
        times = clock.compare({name: clock.Way(way) for name, way in ways.items()}
                              | ceilings.ways(), repeats=sizes.repeats, device=device)  # fmt: skip
    none, often = (times[name] for name in list(ways)[1:3])
    state = times["one state"]["median_ms"]
    return {
        "settings": {"n": sizes.n, "d": run.objective.dimension, "steps": len(run),
                     "bytes of a state": array.nbytes},
        "probe": ceilings.found(times),
        "rows": [{"what": name, **times[name]} for name in ways],
        "ratios": {"many states": clock.ratio(often, none)},
        "share of the time at the default of 60 s": state / (state + 60e3),
    }  # fmt: skip
