"""Deletes, is killed again and again, and checks what is left. Run by test_crashes.py.

A process of its own, without PyTorch and without threads, that forks a warm worker for every kill.
Half of the kills come at a random time, half at a random visit to a named window. What is left is
compared with sums of integers. Prints as JSON what has happened.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

from unlearning.base import durable
from unlearning.service import files, windows
from unlearning.service.ledger import Ledger
from unlearning.service.service import DeletionService

# A kill loses nothing that the system has taken over, on the disk or not: flushing would only make
# a busy disk decide on the pace. test_refused_by_the_system.py checks what a power cut needs.
durable.flush = files.flush = lambda path: None
os.fsync = os.fdatasync = lambda handle: None

MOST = 24  # samples to a request
AT_ONCE = 8  # requests to a worker


def fast(ledger, folder, create=False, original=Ledger.__init__):
    original(ledger, folder, create=create)
    ledger._base.execute("PRAGMA synchronous = OFF")


Ledger.__init__ = fast


class Asker:
    """Splits all samples into requests, in random order."""

    def __init__(self, n, rng):
        self.rng, self.left, self.number = rng, rng.sample(range(n), n - 1), 0

    def next(self):
        size = self.rng.randint(1, MOST)
        samples, self.left = self.left[:size], self.left[size:]
        self.number += 1
        return f"r{self.number}", samples


def work(folder, requests, confirmed, die_at):
    """Say 0 to begin with; carry out requests, and say one more after each receipt."""
    visits = 0

    def reach(window):
        nonlocal visits
        visits += 1
        if visits == die_at:
            os.write(confirmed, window.encode().ljust(24))
            os.kill(os.getpid(), signal.SIGKILL)

    windows.reach = reach
    service = DeletionService.open(folder)
    os.write(confirmed, b"begun".ljust(24))
    for request, samples in requests:
        receipt = service.delete(samples, request=request)
        os.write(confirmed, f"done {receipt.sequence}".encode().ljust(24))


def kill_once(folder, requests, rng, seconds):
    """Return how many requests were confirmed, and where it died; no ``rng``: it is left alive."""
    reading, writing = os.pipe()
    by_window = rng is not None and rng.random() < 0.5
    die_at = rng.randint(1, AT_ONCE * len(windows.WINDOWS)) if by_window else 0
    child = os.fork()
    if child == 0:
        try:
            os.close(reading)
            work(folder, requests, writing, die_at)
        finally:
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        # An eighth of those at a random time come while the worker opens the store.
        said = b"" if rng is None or rng.random() < 1 / 8 else pipe.read(24)
        if rng is not None and not by_window:
            time.sleep(rng.uniform(0, seconds))
            os.kill(child, signal.SIGKILL)
        while part := pipe.read(2**16):
            said += part
    _, status = os.waitpid(child, 0)
    words = [said[i : i + 24].decode().strip() for i in range(0, len(said), 24)]
    place = next((word for word in words if word in windows.WINDOWS), "any moment")
    place = place if os.WIFSIGNALED(status) else "not killed"
    return sum(word.startswith("done") for word in words), place


class Check:
    """What must be left, from the rows and weights that the store began with."""

    def __init__(self, weights, rows):
        self.weights, self.rows = (np.rint(x * 2.0**40).astype(np.int64) for x in (weights, rows))

    def __call__(self, service, folder, deleted):
        """SystemExit unless these samples, each once, and nothing else, are deleted."""
        if service.deleted != tuple(sorted(deleted)) or len(set(deleted)) != len(deleted):
            raise SystemExit(f"{len(service.deleted)} are deleted, {len(deleted)} should be")
        total, value = self.weights + self.rows[deleted].sum(0), service.weights
        if not np.array_equal((total * 2.0**-40).astype(value.dtype), value):
            raise SystemExit("the weights are not the sum")
        audit, names = service.audit(), [path.name for path in folder.glob("*.safetensors*")]
        if not audit.sound or len(names) != 2 or audit.strangers:
            raise SystemExit(f"{audit.problems} {names}")


def settle(folder, check, deleted, requests, done):
    """Return what is deleted, and whether the request that was cut off had been carried out.

    What was not confirmed is asked for again, as a client does, and so is the last confirmed one.
    """
    must = deleted + [sample for _, samples in requests[:done] for sample in samples]
    cut_off = requests[done][1] if done < len(requests) else []
    with DeletionService.open(folder) as service:
        found = service.deleted
        if found not in (tuple(sorted(must)), tuple(sorted(must + cut_off))):
            raise SystemExit(f"deleted {len(found)}, must {len(must)}, may {len(cut_off)} more")
        for request, samples in requests[max(0, done - 1) : done + 1]:
            if service.delete(samples, request=request).samples != sorted(samples):
                raise SystemExit(f"request {request}: a receipt for other samples")
        check(service, folder, must + cut_off)
    return must + cut_off, len(found) > len(must)


def main(template, kills, deletions, seed):
    """Kill so often, and delete so many samples at least."""
    rng, began, folder = random.Random(seed), time.monotonic(), Path(template + "-killed")
    known = np.load(template + ".npz")
    check, n = Check(known["weights"], known["rows"]), len(known["rows"])
    counts, asker, seconds = Counter(), None, 0.0
    while counts["kills"] < kills or counts["deleted"] < deletions:
        if asker is None or len(asker.left) < 2 * MOST * AT_ONCE:
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(template, folder)
            asker, deleted, requests = Asker(n, rng), [], []
            begin = time.monotonic()
            warm = [asker.next() for _ in range(AT_ONCE)]
            kill_once(folder, warm, None, 0)  # how long it takes, on this machine, now
            seconds = time.monotonic() - begin
            deleted, _ = settle(folder, check, deleted, warm, AT_ONCE)
        while len(requests) < AT_ONCE:
            requests.append(asker.next())
        done, place = kill_once(folder, requests, rng, seconds)
        before = len(deleted)
        deleted, took = settle(folder, check, deleted, requests, done)
        requests = requests[done + 1 :]
        counts.update({"kills": place != "not killed", place: 1, "deleted": len(deleted) - before})
        counts["after the moment, before the word"] += took
    print(json.dumps({**counts, "seconds": time.monotonic() - began}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
