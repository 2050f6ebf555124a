"""Which rows of the result each step of a run gives something to.

A row belongs to one sample, or to a set of samples. All index tensors are moved to the device once,
before the first step.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from unlearning.base.pieces import Pieces


@dataclass(frozen=True, eq=False)
class Touch:
    """What one step gives to which rows.

    Attributes:
        used: positions in the batch whose samples belong to some row, each once, shape ``[v]``.
        rows: the rows that get something, each once, shape ``[q]``.
        row_of: for each pair of a row and one of its samples, index into ``rows``, shape ``[p]``.
        used_of: index into ``used`` of the pair's sample, shape ``[p]``.
    """

    used: torch.Tensor
    rows: torch.Tensor
    row_of: torch.Tensor
    used_of: torch.Tensor

    def __bool__(self) -> bool:
        """Whether there is any row to give something to."""
        return len(self.rows) > 0

    def membership(self, dtype: torch.dtype) -> torch.Tensor:
        """1 where the used sample belongs to the row, else 0: shape ``[q, v]``."""
        shape = (len(self.rows), len(self.used))
        members = torch.zeros(shape, dtype=dtype, device=self.rows.device)
        members[self.row_of, self.used_of] = 1.0
        return members


class Touches:
    """One ``Touch`` for each step.

    Args:
        batches: sample numbers of each step.
        n: the number of samples.
        sets: of each row of the whole result; None if row i is sample i.
        rows: those that are computed here; they are numbered from 0.
        device: where the recursion runs.
    """

    def __init__(
        self,
        batches: Sequence[torch.Tensor],
        n: int,
        sets: Sequence[Sequence[int]] | None,
        rows: range,
        device: torch.device,
    ):
        owners = _owners(n, sets, rows)
        # Four pieces a step, in the order of a Touch.
        fields = (field for batch in batches for field in _touch(batch.tolist(), owners))
        self._fields = Pieces(fields, device)

    def __getitem__(self, t: int) -> Touch:
        """What step ``t`` gives to which rows."""
        return Touch(*(self._fields[4 * t + k] for k in range(4)))


def _owners(n: int, sets, rows: range) -> list[list[int]]:
    """For each sample, the rows it belongs to, counted from the first that is computed here."""
    owners: list[list[int]] = [[] for _ in range(n)]
    for k, row in enumerate(rows):
        for sample in [row] if sets is None else sets[row]:
            owners[sample].append(k)
    return owners


def _touch(numbers: list[int], owners: list[list[int]]) -> tuple[list[int], ...]:
    pairs = [(row, k) for k, i in enumerate(numbers) for row in owners[i]]
    used = sorted({k for _, k in pairs})
    rows = sorted({row for row, _ in pairs})
    row_place = {row: j for j, row in enumerate(rows)}
    used_place = {k: j for j, k in enumerate(used)}
    return used, rows, [row_place[row] for row, _ in pairs], [used_place[k] for _, k in pairs]
