"""What a child of ``warm`` does to find out how much memory a recollection takes."""

import ctypes
import gc
import time
from pathlib import Path

import torch

import unlearning as ul

#: Small enough for a test, large enough that what a budget must count is not lost in the noise.
SIZES = {
    "softmax": {"n": 700, "features": 1023, "classes": 10, "hidden": None},
    "layers": {"n": 700, "features": 200, "classes": 10, "hidden": 48},
    "generic": {"n": 700, "features": 200, "classes": 10, "hidden": 48},
}


def recollection(report, root, kernel, mode, memory=None, batch_size=32, steps=None, **how):
    """Report bytes: the largest taken at once, beside the run itself.

    Args:
        report: is told.
        root: an empty folder.
        kernel: to use.
        mode: ``in memory``, ``folder`` or ``along``, or ``along in memory``.
        memory: as for ``recollect``.
        batch_size: of the training.
        steps: about how many; one pass over the samples if None.
        how: further arguments of ``recollect``.
    """
    _walk(Path(root, "first"), kernel, mode, {"n": 40} | how, batch_size=8)  # whatever is new
    begin, finish = _meter()
    d, seconds, error = _walk(Path(root, "second"), kernel, mode, how, batch_size, begin,
                              memory=memory, steps=steps)  # fmt: skip
    report({"bytes": finish(), "d": d, "seconds": seconds, "error": error})


def _meter():
    """A function that begins to measure, and one that tells the peak since then."""
    trim = ctypes.CDLL("libc.so.6").malloc_trim
    base = 0

    def begin():
        nonlocal base
        gc.collect()
        trim(0)
        Path("/proc/self/clear_refs").write_text("5")  # the peak is now what is held
        base = _held("VmRSS")

    return begin, lambda: _held("VmHWM") - base


def _held(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith(field))


def _walk(folder, kernel, mode, how, batch_size, begin=lambda: None, memory=None, steps=None):
    size = SIZES[kernel] | {key: how.pop(key) for key in list(how) if key in SIZES[kernel]}
    objective, samples = _parts(**size)
    epochs = 1 if steps is None else -(-steps * batch_size // len(samples))
    schedule = ul.Schedule(0.01, batch_size=min(batch_size, len(samples)), epochs=epochs)
    how = {"kernel": kernel, "memory": memory, **how}
    if mode in ("folder", "along"):
        how["folder"] = folder / "out"
    began, error, kept = time.monotonic(), "", ()
    if mode in ("in memory", "folder"):
        run = ul.train(objective, samples, schedule, folder=folder / "run")
        begin()
        began = time.monotonic()
        call = lambda: ul.recollect(run, **how)  # noqa: E731
    else:
        begin()
        call = lambda: ul.train_and_recollect(objective, samples, schedule, **how)  # noqa: E731
    try:
        kept = call()
    except ValueError as failed:
        error = str(failed)
    del kept
    return objective.dimension, time.monotonic() - began, error


def _parts(n, features, classes, hidden):
    generator = torch.Generator().manual_seed(0)
    samples = ul.Samples(torch.randn(n, features, generator=generator), torch.arange(n) % classes)
    data = ul.Data("random", samples, samples)
    if hidden is None:
        return ul.Objective(ul.models.logistic(data), l2=0.01), samples
    model = ul.models.mlp(data, hidden=hidden, activation="softplus")
    return ul.Objective(model, l2=0.01), samples
