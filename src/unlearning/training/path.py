"""What a run keeps of the weights before each step: all in memory, all on disk, or both ends.

Each keeper is given the weights of each stretch as it has been made, and then the end.
"""

import re
from pathlib import Path
from typing import Any

import torch

from unlearning.base import checks, shards
from unlearning.base.checkpoint import Checkpoint, Timer, refuse_other_work
from unlearning.base.durable import MANIFEST, read_manifest
from unlearning.base.provenance import circumstances
from unlearning.base.stored import StoredRows
from unlearning.training.descent import Position

#: Names in the folder of a run.
STATE, PREFIX = "state", "weights"
WHAT = "training"
FILES = re.compile(rf"{PREFIX}-\d{{5}}\.safetensors(\.part)?")


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
    """Writes the weights as they come; it is a run once all of them are there.

    Args:
        start: the initial weights.
        folder: an existing one.
        about: what else a reader must know, plain values; ``origin`` among them.
        save_every: seconds between two states to go on from.

    Attributes:
        position: where to begin: at the start, or where the saved state is.

    Raises:
        ValueError: if the folder holds the state of another run or of other circumstances, or one
            that is damaged.
    """

    def __init__(self, start: torch.Tensor, folder: Path, about: dict[str, Any], save_every: float):
        self._folder, self._about, self._device = folder, about, start.device
        self._dtype = str(start.dtype).removeprefix("torch.")
        self._timer = Timer(save_every)
        refuse_other_work(folder / STATE, WHAT)
        same = {"what": WHAT, "origin": about["origin"], **circumstances(start.device)}
        self._checkpoint = Checkpoint(folder / STATE, same)
        self.position, blocks = self._saved() or (Position(start), [])
        columns = len(start)
        self._writer = shards.Writer(folder, columns, self._dtype, prefix=PREFIX, entries=blocks)

    def _saved(self) -> tuple[Position, list[dict]] | None:
        state = self._checkpoint.load()
        if state is None:
            return None
        weights = torch.from_numpy(state.read("weights")).to(self._device)
        progress = state.progress
        with checks.advising(f"delete {self._folder / STATE} to start over"):
            shards.Rows(self._folder, progress["blocks"], self._dtype)  # all are there
        position = Position(weights, progress["t"], tuple(progress["clip_factors"]))
        return position, progress["blocks"]

    def add(self, weights: torch.Tensor) -> None:
        """Write the weights before some steps, shape ``[s, d]``."""
        self._writer.append(weights.cpu().numpy())

    def due(self) -> bool:
        """Whether it is time to save."""
        return self._timer.due()

    def save(self, position: Position) -> None:
        """Save a position, before which all weights have been added, to go on from."""
        with self._timer.saving():
            factors = list(position.clip_factors)
            blocks = self._writer.flush()
            progress = {"t": position.t, "clip_factors": factors, "blocks": blocks}
            self._checkpoint.save(progress, {"weights": position.weights.cpu().numpy()})

    def finish(self, end: Position) -> StoredRows:
        """Write the last weights and, at the very end, the manifest."""
        self.add(end.weights[None])
        blocks = self._writer.flush()
        about = {**self._about, "clip_factors": list(end.clip_factors)}
        shards.write_manifest(self._folder, {"dtype": self._dtype, "blocks": blocks, **about})
        _sweep(self._folder, blocks)
        return read_spilled(self._folder, self._device)[0]


def _sweep(folder: Path, blocks: list[dict]) -> None:
    """Remove what a process that was killed had written beyond its state, and then the state."""
    keep = {block["file"] for block in blocks}
    for path in folder.iterdir():
        if FILES.fullmatch(path.name) and path.name not in keep:
            path.unlink(missing_ok=True)
    Checkpoint(folder / STATE, {}).discard()


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
    with checks.advising(f"delete {folder / MANIFEST} to train again"):
        content = read_manifest(folder)
    if content.get("origin") != origin:
        checks.fail("folder", "an empty folder, or one with this run", f"something else: {folder}")
    if (folder / STATE).exists():  # its process was killed at the very end
        _sweep(folder, content["blocks"])
    return True


def read_spilled(folder: Path, device: torch.device) -> tuple[StoredRows, dict[str, Any]]:
    """Weights that ``OnDisk`` has written, and what was said about them.

    Raises:
        ValueError: if there are none, or not all of them.
    """
    if not (folder / MANIFEST).exists():
        checks.fail("folder", "one that train(folder=...) has written", f"no run at all: {folder}")
    with checks.advising(f"delete {folder / MANIFEST} to train again"):
        rows, about = shards.open_store(folder)
    if "schedule" not in about:
        checks.fail("folder", "one that train(folder=...) has written", f"another store: {folder}")
    return StoredRows(rows, device), about
