"""Saves states, is killed at random moments, and checks what is left. Run by test_checkpoint.py.

A process of its own, so that the children fork from a parent without threads. Prints as JSON how
often the work was killed and in which places.
"""

import json
import os
import random
import signal
import statistics
import sys
import time
from pathlib import Path

import numpy as np

from unlearning.base import checkpoint, durable
from unlearning.base.checkpoint import Checkpoint

# Several blocks to an array, so that kills fall between them.
checkpoint.BLOCK_BYTES = 16_000
# A kill loses nothing that the system has taken over, on the disk or not. test_durable.py checks
# the flushing, which a power cut needs; here it would only make a busy disk decide on the pace.
durable.flush = lambda path: None


def arrays_of(counter):
    """The state that belongs to a counter: its size, too, so that stale blocks would be left."""
    rng = np.random.default_rng(counter)
    rows = 20 + counter % 3 * 20
    return {
        "approximators": rng.standard_normal((rows, 200)),
        "weights": rng.random(50 + counter % 7, dtype=np.float32),
        "seen": rng.integers(0, 2, 30).astype(bool),
        "counter": np.array(counter),
    }


def work(folder, confirmed):
    """Say 0 to begin with; save counter after counter, and say each after its save has returned."""
    os.write(confirmed, bytes(8))
    saved = Checkpoint(folder, {"run": "kill"})
    state = saved.load()
    counter = 0 if state is None else state.progress["counter"]
    while True:
        counter += 1
        saved.save({"counter": counter}, arrays_of(counter))
        os.write(confirmed, counter.to_bytes(8, "little"))


def time_of_a_save(folder):
    """Return seconds, the median of a few."""
    saved, seconds = Checkpoint(folder, {}), []
    for counter in range(8):
        began = time.monotonic()
        saved.save({}, arrays_of(counter))
        seconds.append(time.monotonic() - began)
    return statistics.median(seconds)


def kill_once(folder, wait):
    """Return the last counter that a killed child confirmed, 0 for none."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            work(folder, writing)
        finally:
            os._exit(1)
    os.close(writing)
    os.read(reading, 8)  # it has begun
    time.sleep(wait)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as pipe:
        counters = pipe.read()
    if not os.WIFSIGNALED(status):
        raise SystemExit("the work ended by itself")
    return int.from_bytes(counters[-8:], "little")


def check(folder, least):
    """Return the counter of the state that is left; SystemExit if it is not whole or too old."""
    state = Checkpoint(folder, {"run": "kill"}).load()
    counter = 0 if state is None else state.progress["counter"]
    if counter < least:
        raise SystemExit(f"state {counter} is left, {least} had been confirmed")
    if state is not None:
        found = {name: state.read(name) for name in state.names}
        expected = arrays_of(counter)
        if found.keys() != expected.keys():
            raise SystemExit(f"state {counter} has {list(found)}")
        for name, array in expected.items():
            if found[name].dtype != array.dtype or not np.array_equal(found[name], array):
                raise SystemExit(f"state {counter}: {name} is not its own")
    return counter


def main(root, kills, seed):
    """Kill so often, beginning anew now and then; print the counts."""
    rng, began = random.Random(seed), time.monotonic()
    # A child is slow to begin; then a few saves should succeed.
    longest = 5 * time_of_a_save(Path(root, "timed"))
    counts = dict.fromkeys(("kills", "in a file", "between files", "before the word", "first"), 0)
    for number in range(kills):
        folder = Path(root, f"work-{number // 20}")
        before = check(folder, 0)
        # Of a new folder, at once: kills during the very first save must be among them.
        confirmed = kill_once(folder, rng.uniform(0, longest) if number % 20 else 0.0)
        left = check(folder, max(before, confirmed))
        names = {path.name for path in folder.glob("*")}
        counts["kills"] += 1
        counts["in a file"] += any(name.endswith(".part") for name in names)
        counts["between files"] += {name[0] for name in names} >= {"a", "b"}
        counts["before the word"] += left > max(before, confirmed)
        counts["first"] += before == 0
    print(json.dumps({**counts, "states": left, "seconds": time.monotonic() - began}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
