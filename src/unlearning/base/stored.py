"""Rows on disk, as tensors."""

from numbers import Integral

import torch

from unlearning.base.shards import Rows

WHOLE = (torch.int64, torch.int32)  # what a tensor takes, too


class StoredRows:
    """Looks like a tensor ``[n, d]`` whose rows are read, and checked, when it is indexed.

    Args:
        rows: on disk.
        device: where the tensors are wanted.

    Attributes:
        shape: ``[n, d]``.
        dtype: of the tensors that are read: float32 if the rows are stored in bfloat16, otherwise
            what they are stored in.
        device: of these tensors.
    """

    def __init__(self, rows: Rows, device: torch.device):
        self._rows, self.device = rows, torch.device(device)
        self.shape = torch.Size(rows.shape)
        stored = "float32" if rows.dtype == "bfloat16" else rows.dtype
        self.dtype: torch.dtype = getattr(torch, stored)

    def __len__(self) -> int:
        """The number of rows."""
        return self.shape[0]

    def __getitem__(self, which: int | slice | list | torch.Tensor) -> torch.Tensor:
        """One row ``[d]``, or some of them ``[m, d]``, in the order given.

        Args:
            which: as for a tensor: a number, a slice, numbers ``[m]`` (list or tensor), or a mask
                ``[n]`` (bool). Negative numbers count from the end.

        Raises:
            IndexError: if there is no such row (names the range), or ``which`` is something else.
            ValueError: if a row is damaged (the message names the file).
        """
        if isinstance(which, slice):
            return self._read(range(len(self))[which])
        index = self._index(which)
        rows = self._read([self._number(number) for number in index.reshape(-1).tolist()])
        return rows if index.ndim else rows[0]

    def _index(self, which) -> torch.Tensor:
        """Row numbers: int64, of shape ``[m]``, or ``[]`` for a single one."""
        if not isinstance(which, Integral | list | torch.Tensor):
            raise IndexError(f"rows: expected a number, slice, list or tensor, got {which!r}")
        if isinstance(which, list) and not which:
            return torch.empty(0, dtype=torch.int64)
        try:
            index = torch.as_tensor(int(which) if _is_number(which) else which)
        except (TypeError, ValueError, RuntimeError) as error:
            raise IndexError(f"rows: expected numbers, got {which!r}") from error
        if index.dtype == torch.bool and index.shape == self.shape[:1]:
            return index.nonzero()[:, 0]
        if index.dtype not in WHOLE or index.ndim > 1:
            given = f"{index.dtype} {list(index.shape)}".removeprefix("torch.")
            raise IndexError(f"rows: expected integers [m] or bool [{len(self)}], got {given}")
        return index.to(torch.int64)

    def _number(self, number: int) -> int:
        n = len(self)
        if not -n <= number < n:
            raise IndexError(f"rows: expected numbers from {-n} to {n - 1}, got {number}")
        return number % n

    def _read(self, numbers) -> torch.Tensor:
        return torch.from_numpy(self._rows.read(list(numbers))).to(self.device)


def _is_number(which) -> bool:
    return isinstance(which, Integral) and not isinstance(which, bool)
