"""Bytes of what is kept, counted from the objects: tensors in memory, files on disk."""

from pathlib import Path

import torch


def kept_bytes(*kept: torch.Tensor | Path) -> int:
    """Bytes of tensors and of folders; what shares memory is counted once.

    A tensor on the device ``meta`` has a shape and takes no memory, so what would be kept can be
    counted where there is no room for it.

    Args:
        kept: tensors; and files or folders, in which every file counts.
    """
    seen, total = set(), 0
    for item in kept:
        if isinstance(item, Path):
            files = [item] if item.is_file() else item.rglob("*")
            total += sum(file.stat().st_size for file in files if file.is_file())
            continue
        storage = item.untyped_storage()
        if item.is_meta or storage.data_ptr() not in seen:
            seen.add(storage.data_ptr())
            total += storage.nbytes()
    return total
