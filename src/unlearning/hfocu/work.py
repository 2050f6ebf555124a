"""Recollection into a folder: in groups of rows, saved as it goes, finished files last."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from unlearning.base import checks
from unlearning.base.blocks import write_block
from unlearning.base.checkpoint import Checkpoint, State, Timer, refuse_other_work
from unlearning.base.durable import MANIFEST, find_manifest, read_manifest, write_manifest
from unlearning.base.shards import Rows

#: Bytes of rows in one file, at most.
LARGEST_BLOCK = 16 * 2**20
#: Name, in the folder, of the one for the state.
STATE = "state"
WHAT = "recollection"


class Work:
    """What a folder holds of a recollection, before and after it is finished.

    The state and the groups of rows that are finished stand behind one manifest (``state/``); the
    store's own manifest is written when all rows are there.

    Args:
        folder: made if missing.
        identity: what is computed, plain values, with ``rows``, the first and the end; another
            recollection is refused.
        save_every: seconds between two states; 0 for after every step.
    """

    def __init__(self, folder: Path, identity: dict[str, Any], save_every: float):
        self.folder, self.identity, self._state = folder, identity, folder / STATE
        self._timer = Timer(save_every)
        self._blocks: list[dict] = []
        self._group = 0

    def finished(self) -> dict[str, Any] | None:
        """The manifest, if all rows are there.

        Raises:
            ValueError: if what is there is another recollection, or not whole.
        """
        if not (self.folder / MANIFEST).exists():
            return None
        with checks.advising(f"delete {self.folder / MANIFEST} to compute what is missing"):
            content = read_manifest(self.folder)
        if "identity" not in content:
            checks.fail("folder", "an empty one, or one of this recollection", self.folder)
        was = f", as {self.folder} was made with"
        checks.same("folder", _identity_in(content), self.identity, was)
        self._check(content["blocks"], self.folder / MANIFEST)
        Checkpoint(self._state, {}).discard()  # of a process killed at its very end
        return content

    def adopted(self) -> dict[str, Any]:
        """The circumstances of an unfinished recollection in this folder; empty if none is."""
        refuse_other_work(self._state, WHAT)
        with checks.advising(f"delete {self._state} to start over"):
            return (find_manifest(self._state) or {"circumstances": {}})["circumstances"]

    def begin(self, computed: dict[str, Any], working: int) -> State | None:
        """Go on with what was saved, or begin.

        Args:
            computed: how, plain values; another chunk or thread count would give other last bits.
            working: bytes that computing takes beside the rows; writing takes no more.

        Raises:
            ValueError: if it was saved under other circumstances, or is damaged.
        """
        self._computed = computed
        circumstances = {"what": WHAT, **self.identity, **computed}
        self._checkpoint = Checkpoint(self._state, circumstances)
        self._at_once = min(LARGEST_BLOCK, working // 4)  # rounding takes some copies
        state = self._checkpoint.load()
        if state:
            self._group, self._blocks = state.progress["group"], state.progress["blocks"]
            self._check(self._blocks, self._state)
        return state

    def _check(self, blocks: list[dict], remedy: Path) -> None:
        """Refuse a folder in which rows that were finished are missing or damaged."""
        with checks.advising(f"delete {remedy} to compute what is missing"):
            if blocks:
                Rows(self.folder, blocks, self.identity["storage"])

    @property
    def group(self) -> int:
        """Number of the group that is being computed."""
        return self._group

    def due(self) -> bool:
        """Whether it is time to save."""
        return self._timer.due()

    def save(self, progress: dict, arrays: dict[str, np.ndarray]) -> None:
        """Save the state of the present group."""
        with self._timer.saving():
            whole = {"group": self._group, "blocks": self._blocks, **progress}
            self._checkpoint.save(whole, arrays)

    def read_into(self, state: State, vectors: torch.Tensor) -> None:
        """Fill the rows of the present group with those that were saved."""
        if vectors.device.type == "cpu":
            state.read_into("vectors", vectors.numpy())
        else:
            vectors.copy_(torch.from_numpy(state.read("vectors")))

    def finish_group(self, vectors: torch.Tensor, dtype: str, progress, arrays) -> None:
        """Write the rows of the present group, and go on to the next."""
        blocks = []
        for number, part in enumerate(vectors.split(max(1, self._at_once // vectors[0].nbytes))):
            path = self.folder / f"rows-{self._group:05d}-{number:05d}.safetensors"
            blocks.append(write_block(path, part.cpu().numpy(), dtype))
        self._blocks = self._blocks + blocks
        self._group += 1
        self.save(progress, arrays)

    def finish(self, content: dict[str, Any]) -> None:
        """Write the manifest of the finished store, and forget the state."""
        self._check(self._blocks, self._state)
        # Parts of one whole must differ in nothing but their rows, and how these were computed.
        identity = {key: value for key, value in self.identity.items() if key != "rows"}
        computed = [{"rows": self.identity["rows"], **self._computed}]
        whole = {**content, "identity": identity, "computed": computed, "blocks": self._blocks}
        write_manifest(self.folder, whole)
        self._checkpoint.discard()


def _identity_in(content: dict[str, Any]) -> dict[str, Any]:
    """What a finished store is of; a merged one has the rows of all its parts."""
    first = content.get("first", 0)
    rows = [first, first + sum(block["rows"] for block in content.get("blocks", ()))]
    return {**content.get("identity", {}), "rows": rows}
