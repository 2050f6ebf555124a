"""Run measurements and write what they found.

``python -m benchmarks`` runs all of them (``full_mnist`` on a GPU only), each in a process of its
own. With names, these only; the others of the file stay as they were, each with its own date and
commit.
"""

import argparse
import datetime
import importlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import torch

from unlearning.base import provenance
from unlearning.companion.record import DIGITS, write_whole

ON_CPU = ("logistic", "cnn", "sets", "memory", "growth", "storage", "disk", "saving")
KNOWN = (*ON_CPU, "full_mnist")  # on a CPU it takes long: there by name only
ROOT = Path(__file__).resolve().parents[1]


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"out of {', '.join(KNOWN)}")
    parser.add_argument("--quick", action="store_true", help="small sizes, to try it out")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:0 and so on")
    parser.add_argument("--folder", type=Path, help="where the file goes")
    parser.add_argument("--here", action="store_true", help="one of them in this process, printed")
    given = parser.parse_args()
    unknown = sorted(set(given.names) - set(KNOWN))
    if unknown:
        parser.error(f"NAME: expected some of {', '.join(KNOWN)}, got {', '.join(unknown)}")
    if given.device != "cpu" and not torch.cuda.is_available():
        parser.error(f"--device: expected cpu, or cuda on a machine with a GPU, got {given.device}")
    if given.here:
        print(json.dumps(one(given.names[0], quick=given.quick, device=given.device)))
        return 0
    names = given.names or (ON_CPU if given.device == "cpu" else KNOWN)
    folder = given.folder or ROOT / ("_build" if given.quick else "results") / "benchmarks"
    return run(names, quick=given.quick, device=given.device, folder=folder)


def run(names, *, quick: bool, device: str, folder: Path) -> int:
    """Run measurements one after the other, and write the file after each; counts failures."""
    where = environment(device)
    path, failed = folder / f"{name_of(where, device)}.json", 0
    for name in names:
        print(f"  {name} ...", end="", flush=True)
        begin = time.monotonic()
        command = [sys.executable, "-m", "benchmarks", name, "--here", "--device", device]
        done = subprocess.run(command + ["--quick"] * quick, cwd=ROOT, capture_output=True,
                              text=True, check=False)  # fmt: skip
        if done.returncode:
            failed += 1
            print(f" FAILED\n{done.stderr}", file=sys.stderr)
            continue
        add(path, where, name, json.loads(done.stdout), quick=quick)
        print(f" {time.monotonic() - begin:.0f} s")
    print(f"wrote {os.path.relpath(path)}")
    return min(failed, 1)


def one(name: str, *, quick: bool, device: str) -> dict:
    """Run one measurement in this process."""
    module = importlib.import_module(f"benchmarks.{name}")
    begin = time.monotonic()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        found = module.measure(module.QUICK if quick else module.FULL, device)
    lines = (module.__doc__ or "").strip().splitlines()
    return {
        "title": lines[0].rstrip("."),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "commit": provenance.commit(),
        "seconds": time.monotonic() - begin,
        **found,
    }


def environment(device: str) -> dict:
    """Versions and hardware as the library records them, and the device measured on."""
    found = provenance.environment() | {"device": device}
    return found if device != "cpu" else found | {"gpu": None}


def name_of(where: dict, device: str) -> str:
    """The file's name: from the device and its threads, or the GPU."""
    if device == "cpu":
        return f"cpu-{where['threads']}-threads"
    gpu = "".join(c if c.isalnum() else "-" for c in str(where["gpu"]).lower())
    return f"gpu-{gpu.removeprefix('nvidia-')}"


def add(path: Path, where: dict, name: str, found: dict, *, quick: bool) -> None:
    """Put one measurement into a file, whole; those of another environment there are dropped."""
    kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if kept.get("environment") != where or kept.get("quick") != quick:
        kept = {}
    options = "DEVICE=cuda " if where["device"] != "cpu" else f"THREADS={where['threads']} "
    content = {
        "name": f"benchmarks/{path.stem}",  # as pages name it, below results/
        "command": f"make bench {options}{'QUICK=1' if quick else ''}".strip(),
        "quick": quick,
        "environment": where,
        "measurements": {**kept.get("measurements", {}), name: _rounded(found)},
    }
    write_whole(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def _rounded(value):
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list | tuple) else value


if __name__ == "__main__":
    sys.exit(main())
