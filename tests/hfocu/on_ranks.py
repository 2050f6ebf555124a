"""One rank of the tests of ranks, and the problem that it works on.

torchrun --standalone --nproc-per-node 2 tests/hfocu/on_ranks.py FOLDER [DEVICE [SAVE_EVERY]]
"""

import os
import sys
from pathlib import Path

import torch

import unlearning as ul

CHUNK = 7


def problem(n_train=90, epochs=100, device="cpu"):
    """Logistic regression on digits in float64, with a clip that is active at first."""
    data = ul.load("digits", n_train=n_train, dtype=torch.float64, device=device)
    objective = ul.Objective(ul.models.logistic(data), l2=0.02)
    schedule = ul.Schedule(0.1, batch_size=8, epochs=epochs, clip=2.0, seed=1)
    return objective, data.train, schedule


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"pid-{os.environ['RANK']}").write_text(str(os.getpid()))
    device = sys.argv[2] if len(sys.argv) > 2 else "cpu"
    save_every = float(sys.argv[3]) if len(sys.argv) > 3 else 60.0
    asked = {"chunk": CHUNK, "save_every": save_every}
    found = ul.recollect_on_ranks(*problem(device=device), folder, **asked)
    print(f"rank {os.environ['RANK']} sees {len(found.vectors)} rows")
