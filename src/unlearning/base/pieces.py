"""One tensor, cut into pieces that are looked at one at a time.

A list of many small tensors takes some hundred bytes for each of them, however little they hold.
"""

from array import array
from collections.abc import Iterable

import torch


class Pieces:
    """The pieces of a whole number tensor, moved to a device all at once.

    Args:
        pieces: whole numbers, piece by piece.
        device: where they are wanted.
    """

    def __init__(self, pieces: Iterable[Iterable[int]], device: torch.device):
        values, self._ends = array("q"), array("q", [0])
        for piece in pieces:
            values.extend(piece)
            self._ends.append(len(values))
        self._values = torch.empty(len(values), dtype=torch.int64)
        if values:
            self._values.copy_(torch.frombuffer(values, dtype=torch.int64))
        self._values = self._values.to(device)

    def __len__(self) -> int:
        """How many pieces there are."""
        return len(self._ends) - 1

    def __getitem__(self, number: int) -> torch.Tensor:
        """A view of one piece."""
        if not 0 <= number < len(self):
            raise IndexError(number)
        return self._values[self._ends[number] : self._ends[number + 1]]
