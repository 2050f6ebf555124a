"""Pooling layers."""

import torch
from torch.nn import functional

from unlearning.curvature.kernels.layers.images import as_channels, from_channels, pair
from unlearning.curvature.kernels.layers.site import Site


def winners(site: Site) -> torch.Tensor:
    """Where each maximum of a max pooling stands in its image, as autograd has it, ties too.

    Returns:
        Positions ``row * width + column``, shape ``[b, h', w', c]``.
    """
    layer = site.layer
    _, positions = functional.max_pool2d(
        site.x, layer.kernel_size, layer.stride, layer.padding, layer.dilation, layer.ceil_mode,
        return_indices=True,
    )  # fmt: skip
    return positions.movedim(1, -1).contiguous()


class MaxPool:
    """Takes the tangent where the maximum stands."""

    def __init__(self, site: Site):
        self.site, self.kept = site, 0
        self.passing = site.x.numel() + 2 * site.y.numel()
        b, channels, height, width = site.x.shape
        positions = winners(site)
        self._pooled = positions.shape
        image = torch.arange(b, device=positions.device).view(-1, 1, 1, 1) * (height * width)
        channel = torch.arange(channels, device=positions.device)
        # Numbers of the rows of K in a tangent [b, h, w, c, K].
        self._rows = ((positions + image) * channels + channel).flatten()

    def forward(self, tangent) -> torch.Tensor:
        """Tangent of y."""
        self._shape = tangent.shape
        return tangent.flatten(0, 3)[self._rows].view(*self._pooled, -1)

    def backward(self, tangent) -> torch.Tensor:
        """Tangent of the gradient with respect to x."""
        down = tangent.new_zeros(self._shape)
        # Windows that overlap may share a maximum.
        down.flatten(0, 3).index_add_(0, self._rows, tangent.flatten(0, 3))
        return down


class AvgPool:
    """A linear layer without parameters: tangents are pooled as values are."""

    def __init__(self, site: Site):
        self.site, layer = site, site.layer
        self.kept, self.passing = 0, 2 * site.x.numel() + 2 * site.y.numel()
        self._settings = (
            pair(layer.kernel_size), pair(layer.stride), pair(layer.padding), layer.ceil_mode,
            layer.count_include_pad, layer.divisor_override,
        )  # fmt: skip

    def forward(self, tangent) -> torch.Tensor:
        """Tangent of y."""
        images = as_channels(tangent)
        self._shape = images.shape
        pooled = functional.avg_pool2d(images, *self._settings)
        return from_channels(pooled, tangent.shape[-1])

    def backward(self, tangent) -> torch.Tensor:
        """Tangent of the gradient with respect to x."""
        # Only the shape and layout of what was pooled are asked for.
        form = torch.empty(
            self._shape, dtype=tangent.dtype, device=tangent.device,
            memory_format=torch.channels_last,
        )  # fmt: skip
        down = torch.ops.aten.avg_pool2d_backward(as_channels(tangent), form, *self._settings)
        return from_channels(down, tangent.shape[-1])
