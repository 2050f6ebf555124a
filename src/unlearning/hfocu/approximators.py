"""Approximators: what must be added to the learned weights to delete samples."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from unlearning.base import checks, devices, shards
from unlearning.base.stored import StoredRows


@dataclass(frozen=True, eq=False)
class Approximators:
    """What must be added to the learned weights to delete samples.

    Attributes:
        vectors: shape ``[n, d]``, one per training sample, or ``[K, d]``, one per set: a tensor, or
            rows on disk that are read when it is indexed (``vectors[[3, 14]]``).
        sets: the K sets, or None when there is one vector per sample.
        convention: the retraining that they approximate (see ``retrain``).
        quirks: the released code's departures that were switched on.
        fingerprint: of the run they belong to.
        first: the sample that the first row belongs to; not 0 if this is a part of them all.
    """

    vectors: torch.Tensor | StoredRows
    sets: tuple[tuple[int, ...], ...] | None
    convention: str
    quirks: tuple[str, ...]
    fingerprint: str
    first: int = 0

    def rows(self, samples: Sequence[int]) -> torch.Tensor:
        """What must be added to delete samples: one row each, or the one row of the set.

        Raises:
            ValueError: if their vectors are in another part, or the set was not recollected.
        """
        if self.sets is not None:
            return self.vectors[[self._row_of(samples)]]
        last = self.first + len(self.vectors) - 1
        for sample in samples:
            checks.integer("samples", sample, least=self.first, most=last, note=" (of this part)")
        return self.vectors[[sample - self.first for sample in samples]]

    def _row_of(self, samples: Sequence[int]) -> int:
        wanted = set(samples)
        for row, members in enumerate(self.sets):
            if set(members) == wanted:
                return row
        expected = f"one of the {len(self.sets)} recollected sets"
        return checks.fail("samples", expected, sorted(samples))


def open_approximators(folder: str | Path, device: Any = "cpu") -> Approximators:
    """Approximators that ``recollect(..., folder=...)`` has finished, read row by row when used.

    Args:
        folder: that was given to ``recollect``.
        device: where the rows are wanted.

    Raises:
        ValueError: if the folder holds no finished approximators, or a file is missing or damaged.
    """
    rows, about = shards.open_store(folder)
    if "convention" not in about:
        checks.fail("folder", "one that recollect(folder=...) has finished", f"another: {folder}")
    sets, first = about["sets"], about["first"]
    if sets is not None:
        sets, first = sets[first : first + rows.shape[0]], 0
    return Approximators(
        StoredRows(rows, devices.device("device", device)),
        None if sets is None else tuple(tuple(members) for members in sets),
        about["convention"],
        tuple(about["quirks"]),
        about["fingerprint"],
        first,
    )
