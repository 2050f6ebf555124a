"""Several processes and threads on one store."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import unlearning as ul
from unlearning.base.locks import held

ROOT = Path(__file__).resolve().parents[2]
DELETE = """
import sys
from unlearning.service.service import DeletionService
folder, first = sys.argv[1], int(sys.argv[2])
with DeletionService.open(folder, timeout=300) as service:
    print("open", flush=True)
    sys.stdin.readline()
    for sample in range(first, first + 8):
        service.delete([sample], request=f"of sample {sample}")
    service.delete([39], request="both want this")
"""


def start(*words):
    return subprocess.Popen(
        [sys.executable, "-c", DELETE, *map(str, words)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip


def test_two_processes(source, folder):
    both = [start(folder, 0), start(folder, 10)]
    for process in both:
        assert process.stdout.readline() == "open\n"
    for process in both:
        process.stdin.write("\n")
        process.stdin.flush()
    for process in both:
        _, error = process.communicate()
        assert process.returncode == 0, error
    deleted = [*range(8), *range(10, 18), 39]
    with ul.DeletionService.open(folder) as service:
        assert service.deleted == tuple(deleted)
        assert service.weights.tobytes() == source.expected(deleted).tobytes()
        found = service.audit()
        assert (found.sound, found.requests) == (True, 17)


@pytest.mark.parametrize("shared", [True, False], ids=["one service", "a service each"])
def test_threads(source, folder, shared):
    problems, receipts = [], []
    common = ul.DeletionService.open(folder, timeout=300)

    def work(first):
        service = common if shared else ul.DeletionService.open(folder, timeout=300)
        try:
            for sample in range(first, first + 4):
                service.delete([sample], request=f"of sample {sample}")
            receipts.append(service.delete([39, 38], request="all want this"))
        except Exception as error:
            problems.append(error)

    threads = [threading.Thread(target=work, args=[10 * number]) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert receipts == receipts[:1] * 3
    deleted = [s for first in (0, 10, 20) for s in range(first, first + 4)] + [38, 39]
    assert common.weights.tobytes() == source.expected(deleted).tobytes()
    assert common.audit().requests == 13
    common.close()


def test_who_has_to_wait_too_long_gets_a_clear_error(folder):
    with ul.DeletionService.open(folder, timeout=0.1) as service:
        with held(folder):
            begin = time.monotonic()
            with pytest.raises(ValueError, match=f"one that no other process.*{folder}"):
                service.delete([1], request="r")
            assert time.monotonic() - begin >= 0.1
        service.delete([1], request="r")


def test_who_waits_long_enough_has_its_turn(folder):
    with ul.DeletionService.open(folder, timeout=300) as service:
        lock = held(folder)
        lock.__enter__()
        done = threading.Thread(target=service.delete, args=[[1]], kwargs={"request": "r"})
        done.start()
        done.join(0.05)
        assert done.is_alive()
        lock.__exit__(None, None, None)
        done.join()
        assert service.deleted == (1,)


@pytest.mark.parametrize("timeout", [-1, None, float("inf")])
def test_the_timeout_is_a_finite_time(folder, timeout):
    with pytest.raises(ValueError, match="timeout: expected a finite number of at least 0"):
        ul.DeletionService.open(folder, timeout=timeout)
