"""What a run keeps of the weights before each step: all in memory, all on disk, or both ends.

Each keeper is given the weights of each stretch as it has been made, and then the end.
"""

from pathlib import Path
from typing import Any

import torch

from unlearning.base import checks, shards
from unlearning.base.durable import MANIFEST, read_manifest
from unlearning.base.stored import StoredRows
from unlearning.training.descent import Position


class Ends:
    """The first and the last weights alone: for runs that were recollected along the way.

    Args:
        first: before the first step, shape ``[d]``.
        last: after the last step.
        steps: how many steps lie between, T.
    """

    def __init__(self, first: torch.Tensor, last: torch.Tensor, steps: int):
        self._ends = {0: first, steps: last}

    def __getitem__(self, t: int) -> torch.Tensor:
        """The weights before step ``t``, for t = 0 and t = T only."""
        if isinstance(t, slice) or t not in self._ends:
            wanted = "one that kept its weights (train with keep=True, or with a folder)"
            checks.fail("run", wanted, "one that kept both ends only")
        return self._ends[t]


class InMemory:
    """Collects all weights in one tensor, without a second copy of it."""

    def __init__(self, start: torch.Tensor, steps: int):
        shape = (steps + 1, len(start))
        self._path = torch.empty(shape, dtype=start.dtype, device=start.device)
        self._filled = 0

    def add(self, weights: torch.Tensor) -> None:
        """Keep the weights before some steps, shape ``[s, d]``."""
        self._path[self._filled : self._filled + len(weights)] = weights
        self._filled += len(weights)

    def finish(self, end: Position) -> torch.Tensor:
        """All weights, shape ``[T + 1, d]``."""
        self.add(end.weights[None])
        return self._path


class OnDisk:
    """Writes the weights as they come; nothing counts until all of them are there.

    Args:
        start: the initial weights.
        folder: made if missing.
        about: what else a reader must know, plain values.
    """

    def __init__(self, start: torch.Tensor, folder: Path, about: dict[str, Any]):
        self._folder, self._about, self._device = folder, about, start.device
        folder.mkdir(parents=True, exist_ok=True)
        self._dtype = str(start.dtype).removeprefix("torch.")
        self._writer = shards.Writer(folder, len(start), self._dtype, prefix="weights")

    def add(self, weights: torch.Tensor) -> None:
        """Write the weights before some steps, shape ``[s, d]``."""
        self._writer.append(weights.cpu().numpy())

    def finish(self, end: Position) -> StoredRows:
        """Write the last weights and, at the very end, the manifest."""
        self.add(end.weights[None])
        blocks = self._writer.close()
        about = {**self._about, "clip_factors": list(end.clip_factors)}
        shards.write_manifest(self._folder, {"dtype": self._dtype, "blocks": blocks, **about})
        return read_spilled(self._folder, self._device)[0]


class OnlyEnds:
    """Forgets everything between."""

    def __init__(self, start: torch.Tensor, steps: int):
        self._start, self._steps = start.clone(), steps

    def add(self, weights: torch.Tensor) -> None:
        """Nothing is kept."""

    def finish(self, end: Position) -> Ends:
        """Both ends."""
        return Ends(self._start, end.weights, self._steps)


def holds(folder: Path, origin: str) -> bool:
    """Whether a folder holds a complete run of this origin.

    Raises:
        ValueError: if it holds something else, which writing there would destroy.
    """
    if not (folder / MANIFEST).exists():
        return False
    if read_manifest(folder).get("origin") != origin:
        checks.fail("folder", "an empty folder, or one with this run", f"something else: {folder}")
    return True


def read_spilled(folder: Path, device: torch.device) -> tuple[StoredRows, dict[str, Any]]:
    """Weights that ``OnDisk`` has written, and what was said about them.

    Raises:
        ValueError: if there are none, or not all of them.
    """
    rows, about = shards.open_store(folder)
    if "schedule" not in about:
        checks.fail("folder", "one that train(folder=...) has written", f"another store: {folder}")
    return StoredRows(rows, device), about
