"""Where the recursion gets the steps of a run from: a kept run, or training as it happens.

Either can begin in the middle, from what was saved there.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unlearning.base.blocks import write_block
from unlearning.base.checkpoint import State
from unlearning.base.shards import Rows
from unlearning.training.descent import Position, Stretch
from unlearning.training.path import Ends
from unlearning.training.trajectory import Run, finished, origin_of, walk


class Replay:
    """The steps of a run that has kept its weights."""

    mode = "replay"
    all_at_once = ""  # rows may be computed in groups, one walk each

    def __init__(self, run: Run):
        self.run, self.objective, self.samples = run, run.objective, run.samples
        self.schedule, self.batches, self.identity = run.schedule, run.batches, run.fingerprint

    def begin(self, state: State | None) -> Iterator[Stretch]:
        """The stretches from the saved state on, or all."""
        return self.run.stretches(state.progress["t"] if state else 0)

    def saved(self, t: int) -> tuple[dict, dict[str, np.ndarray]]:
        """What must be saved to go on from step ``t``: plain values, and arrays."""
        return {"t": t}, {}

    def end(self) -> Run:
        """The run."""
        return self.run

    def ends(self, folder: Path) -> dict[str, Any]:
        """What a finished store must hold of the run: nothing, as it was kept."""
        return {}

    def restore(self, folder: Path, content: dict[str, Any]) -> None:
        """Nothing to restore."""


class Along:
    """The steps of a training that happens at the same time; nothing between its ends is kept.

    Args:
        objective: loss, model and penalty.
        samples: to train on.
        schedule: of the training.
        start: initial weights, shape ``[d]``.
    """

    mode = "along with training"
    all_at_once = "rows can be computed in groups along a run that was kept (train with a folder)"

    def __init__(self, objective, samples, schedule, start: torch.Tensor):
        self.objective, self.samples, self.schedule = objective, samples, schedule
        self.batches = schedule.batches(len(samples))
        self.identity = origin_of(objective, samples, schedule, start)
        self._start, self._stretch, self._after = start, None, Position(start)

    def begin(self, state: State | None) -> Iterator[Stretch]:
        """The stretches from the saved state on, or all: they are made now."""
        position = Position(self._start)
        if state:
            w = torch.from_numpy(state.read("weights")).to(self._start.device)
            position = Position(w, state.progress["t"], state.progress["clip_factors"])
        self._after = position
        steps = walk(self.objective, self.samples, self.schedule, position, description="")
        for self._stretch, self._after in steps:
            yield self._stretch

    def saved(self, t: int) -> tuple[dict, dict[str, np.ndarray]]:
        """What must be saved to go on from step ``t``: plain values, and arrays."""
        inside = t < self._after.t
        w = self._stretch.weights[t - self._stretch.first] if inside else self._after.weights
        progress = {"t": t, "clip_factors": list(self._after.clip_factors[:t])}
        return progress, {"weights": w.cpu().numpy()}

    def end(self) -> Run:
        """The run that was made, with both its ends."""
        kept = Ends(self._start, self._after.weights, len(self.batches))
        factors = self._after.clip_factors
        return finished(self.objective, self.samples, self.schedule, factors, kept)

    def ends(self, folder: Path) -> dict[str, Any]:
        """Write both ends of the run into a finished store, for ``restore``."""
        rows = torch.stack([self._start, self._after.weights]).cpu().numpy()
        entry = write_block(folder / "ends.safetensors", rows, rows.dtype.name)
        factors = list(self._after.clip_factors)
        return {"ends": entry, "ends_dtype": rows.dtype.name, "clip_factors": factors}

    def restore(self, folder: Path, content: dict[str, Any]) -> None:
        """Take the end of the run from a finished store, instead of training."""
        rows = Rows(folder, [content["ends"]], content["ends_dtype"])
        w = torch.from_numpy(rows.read([1])[0]).to(self._start.device)
        self._after = Position(w, len(self.batches), content["clip_factors"])
