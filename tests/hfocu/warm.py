"""A warm process that forks a child for every call, so that PyTorch is imported once.

    with Warm() as warm:
        outcome = warm.call("tests.hfocu.chores:recollection", {"folder": ...}, kill_after=0.02)

The children fork from a process with a single thread. A child reports as it goes; what it has said
before it dies is not lost.
"""

import importlib
import json
import os
import select
import signal
import subprocess
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
#: One thread, one heap, and every large piece of memory given back when it is freed.
PLAIN = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "MALLOC_TRIM_THRESHOLD_": "65536",
}


@dataclass
class Outcome:
    """How a child ended.

    Attributes:
        reports: what it said, in order.
        signal: that ended it, or 0.
        error: its traceback, if an exception ended it, or "".
        seconds: that it lived.
    """

    reports: list[Any]
    signal: int
    error: str
    seconds: float

    @property
    def finished(self) -> bool:
        """Whether it came to its own end."""
        return not self.signal and not self.error


class Warm:
    """The side that calls."""

    def __enter__(self) -> "Warm":
        self._server = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.hfocu.warm"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
            env={**os.environ, **PLAIN},
        )  # fmt: skip
        return self

    def __exit__(self, *_):
        self._server.stdin.close()
        self._server.wait(timeout=30)
        self._server.stdout.close()

    def call(self, function: str, arguments: dict, kill_after: float | None = None) -> Outcome:
        """Run ``module:function(report, **arguments)`` in a child.

        Args:
            function: in a module that can be imported.
            arguments: plain values (JSON).
            kill_after: seconds after its first report at which it is killed, if it lives so long.
        """
        request = {"function": function, "arguments": arguments, "kill_after": kill_after}
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        return Outcome(**json.loads(self._server.stdout.readline()))


def serve() -> None:
    import torch

    import unlearning as ul
    from tests.cases import cases

    torch.set_num_threads(1)
    for case in cases():  # whatever is compiled or prepared on first use
        ul.recollect(case.run(clip=True, epochs=1), kernel="generic")
    for line in sys.stdin:
        answer = vars(_child(**json.loads(line)))
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _child(function: str, arguments: dict, kill_after: float | None) -> Outcome:
    module, name = function.split(":")
    chore = getattr(importlib.import_module(module), name)
    reading, writing = os.pipe()
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _live(chore, arguments, writing)
    os.close(writing)
    said = _listen(reading, child, kill_after)
    _, status = os.waitpid(child, 0)
    lines = [json.loads(line) for line in said.splitlines()]
    error = "".join(line["error"] for line in lines if "error" in line)
    reports = [line["report"] for line in lines if "report" in line]
    ended = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    return Outcome(reports, ended, error, time.monotonic() - began)


def _live(chore, arguments: dict, writing: int) -> None:
    def say(**what):  # one line at once: a pipe takes it whole or not at all
        os.write(writing, (json.dumps(what) + "\n").encode())

    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # progress bars
    try:
        chore(lambda what: say(report=what), **arguments)
    except BaseException:
        say(error=traceback.format_exc()[-3000:])
    finally:
        os._exit(0)


def _listen(reading: int, child: int, kill_after: float | None) -> str:
    said, deadline = b"", None
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        while True:
            wait = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not select.select([pipe], [], [], wait)[0]:
                os.kill(child, signal.SIGKILL)
                deadline = None
                continue
            part = pipe.read(65536)
            if not part:
                return said.decode()
            if not said and kill_after is not None:
                deadline = time.monotonic() + kill_after
            said += part


if __name__ == "__main__":
    serve()
