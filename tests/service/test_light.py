"""The service starts without PyTorch, and a deletion costs a few flushes of the disk."""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import unlearning as ul
from unlearning.hfocu.approximators import Approximators

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ("torch", "scipy", "pandas", "sklearn", "matplotlib", "safetensors")
LIGHT = """
import sys
import unlearning as ul
with ul.DeletionService.open(sys.argv[1]) as service:
    service.delete([3], request="a")
    service.release()
    assert service.audit().sound
"""
COMMAND = """
import sys
from typer.testing import CliRunner
from unlearning.companion.cli import app
for words in (["delete", "--request", "b", "4", "5"], ["release", "--out", sys.argv[2]], ["audit"]):
    result = CliRunner().invoke(app, [words[0], "--store", sys.argv[1], *words[1:]])
    assert result.exit_code == 0, result.output
"""


def loaded(code, *words) -> set[str]:
    """Which of the heavy packages a piece of code has loaded at its end."""
    code += f"\nprint(*(name for name in {HEAVY} if name in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_no_pytorch(folder, tmp_path):
    assert loaded(LIGHT, folder) == set()
    assert loaded(COMMAND, folder, tmp_path / "w.npy") == set()
    assert loaded("import sys, unlearning as ul; ul.train", folder) >= {"torch"}


def test_it_starts_nearly_as_fast_as_numpy():
    """The processor's time of a fresh process, as other work on the machine does not count."""

    def seconds(code):
        before = os.times()
        subprocess.run([sys.executable, "-c", code], check=True,
                       env=os.environ | {"PYTHONPATH": str(ROOT / "src")})  # fmt: skip
        after = os.times()
        return sum(after[2:4]) - sum(before[2:4])

    pairs = [(seconds("import numpy"), seconds("import unlearning as ul; ul.DeletionService"))
             for _ in range(5)]  # fmt: skip
    bare, ours = (statistics.median(times) for times in zip(*pairs, strict=True))
    assert ours < 2 * bare + 0.05


@pytest.fixture
def mnist_shaped(tmp_path):
    """1000 rows of 7850 weights in single precision."""
    generator = torch.Generator().manual_seed(0)
    samples = ul.Samples(torch.rand(1000, 784, generator=generator), torch.arange(1000) % 10)
    data = ul.Data("like MNIST", samples, samples[[0]])
    objective = ul.Objective(ul.models.logistic(data))
    run = ul.train(objective, samples, ul.Schedule(0.01, epochs=1, batch_size=500))
    vectors = torch.randn(1000, 7850, generator=generator) / 1000
    approximators = Approximators(vectors, None, "R2", (), run.fingerprint)
    with ul.DeletionService.create(tmp_path / "s", run, approximators) as service:
        yield service


def test_a_deletion_takes_five_milliseconds_beside_the_disk(mnist_shaped, tmp_path):
    """Ten flushes, as the steps are; on a disk that is busy they may take a while longer each.

    Beside the disk counts the processor's time, as with more processes than processors a deletion
    waits its turn; with the disk, the quickest of thirty.
    """
    probe = os.open(tmp_path / "probe", os.O_WRONLY | os.O_CREAT)
    deletions, busy, flushes = [], [], []
    for sample in range(30):
        begin, before = time.monotonic(), time.process_time()
        mnist_shaped.delete([sample], request=f"r{sample}")
        deletions.append(time.monotonic() - begin)
        busy.append(time.process_time() - before)
        os.pwrite(probe, bytes(4096), 0)
        begin = time.monotonic()
        os.fsync(probe)
        flushes.append(time.monotonic() - begin)
    os.close(probe)
    deletion, flush = min(deletions), statistics.median(flushes)
    print(f"{deletion * 1e3:.2f} ms, {deletion / flush:.1f} times a flush of {flush * 1e3:.2f} ms")
    assert statistics.median(busy) < 0.005
    assert deletion < 0.005 + 16 * flush
