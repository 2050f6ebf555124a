"""Approximators: what must be added to the learned weights to delete samples."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from unlearning.base import shards
from unlearning.base.stored import StoredRows


@dataclass(frozen=True, eq=False)
class Approximators:
    """What must be added to the learned weights to delete samples.

    Attributes:
        vectors: shape ``[n, d]``, one per training sample, or ``[K, d]``, one per set: a tensor, or
            rows on disk that are read when they are asked for (``vectors[[3, 14]]``).
        sets: the K sets, or None when there is one vector per sample.
        convention: the retraining that they approximate (see ``retrain``).
        quirks: the released code's departures that were switched on.
        fingerprint: of the run they belong to.
    """

    vectors: torch.Tensor | StoredRows
    sets: tuple[tuple[int, ...], ...] | None
    convention: str
    quirks: tuple[str, ...]
    fingerprint: str


def open_approximators(folder: str | Path, device: Any = "cpu") -> Approximators:
    """Approximators that ``recollect(..., folder=...)`` has finished, read row by row when used.

    Args:
        folder: that was given to ``recollect``.
        device: where the rows are wanted.

    Raises:
        ValueError: if the folder holds no finished approximators, or a file is missing or damaged.
    """
    rows, about = shards.open_store(folder)
    sets = about["sets"]
    return Approximators(
        StoredRows(rows, torch.device(device)),
        None if sets is None else tuple(tuple(members) for members in sets),
        about["convention"],
        tuple(about["quirks"]),
        about["fingerprint"],
    )
