"""Rows on disk, as tensors."""

import torch

from unlearning.base.shards import Rows


class StoredRows:
    """Looks like a tensor ``[n, d]`` whose rows are read, and checked, when they are asked for.

    Args:
        rows: on disk.
        device: where the tensors are wanted.
    """

    def __init__(self, rows: Rows, device: torch.device):
        self._rows, self._device = rows, device
        self.shape = torch.Size(rows.shape)

    def __len__(self) -> int:
        """The number of rows."""
        return self.shape[0]

    def __getitem__(self, which: int | slice | list[int]) -> torch.Tensor:
        """One row ``[d]``, or the rows of a slice or list ``[m, d]``.

        In float32 if they are stored in bfloat16, otherwise in the dtype they are stored in.

        Raises:
            IndexError: if there is no such row.
            ValueError: if a row is damaged (the message names the file).
        """
        if isinstance(which, list):
            return self._read([range(len(self))[number] for number in which])
        numbers = range(len(self))[which]
        return self._read([numbers])[0] if isinstance(numbers, int) else self._read(numbers)

    def _read(self, numbers) -> torch.Tensor:
        return torch.from_numpy(self._rows.read(list(numbers))).to(self._device)
