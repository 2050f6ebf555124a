"""Images with their channels last, as tangents have them."""

import torch


def channels_last(values: torch.Tensor) -> torch.Tensor:
    """``[b, c, h, w]`` as ``[b, h, w, c]``, in memory too; other shapes as they are."""
    return values.movedim(1, -1).contiguous() if values.ndim == 4 else values


def as_channels(tangent: torch.Tensor) -> torch.Tensor:
    """``[b, h, w, c, K]`` as a batch of images with ``c * K`` channels, nothing copied."""
    return tangent.flatten(3).movedim(-1, 1)


def from_channels(images: torch.Tensor, K: int) -> torch.Tensor:
    """``[b, c * K, h, w]`` back as ``[b, h, w, c, K]``."""
    return images.movedim(1, -1).unflatten(3, (-1, K)).contiguous()


def pair(value) -> tuple[int, int]:
    """A size that PyTorch lets one write as a single number, as height and width."""
    return value if isinstance(value, tuple) else (value, value)
