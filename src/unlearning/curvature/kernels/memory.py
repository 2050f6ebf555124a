"""What computations take: tensors held, and chunks that fit a limit."""

from collections.abc import Iterator

import torch


def chunk_within(limit: int, bytes_per_vector: int, most: int) -> int:
    """As many vectors as need no more than ``limit`` bytes together: 1 to ``most``.

    Above 16 a multiple of 16, which fills whole registers where a chunk is the last axis.
    """
    number = max(1, min(most, limit // max(1, bytes_per_vector)))
    return number - number % 16 if number > 16 else number


def held_bytes(*things) -> int:
    """Bytes of all tensors in objects, lists and their attributes, each storage once."""
    storages = (tensor.untyped_storage() for tensor in _tensors(things))
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


def _tensors(thing) -> Iterator[torch.Tensor]:
    if isinstance(thing, torch.Tensor):
        yield thing
    elif not isinstance(thing, torch.nn.Module):
        parts = thing if isinstance(thing, list | tuple) else vars(thing).values()
        for part in parts:
            if isinstance(part, torch.Tensor | list) or hasattr(part, "__dict__"):
                yield from _tensors(part)
