"""Convolutions.

With ``U`` the patches of the input x (one row per output position) and ``D`` the gradients with
respect to y, spread so that row (input position) times column (kernel position, output channel)
is the gradient at the output that this weight leads to, all four products of a base value with a
tangent or vector are plain matrix products over all vectors at once::

    forward      U V                        + conv(x', W)
    backward     U^T d',  D^T x'    (V)       D V + conv^T(d', W)    (x)
"""

import torch
from torch.nn import functional

from unlearning.curvature.kernels.layers.images import channels_last, pair
from unlearning.curvature.kernels.layers.site import Site


class Conv:
    """``y = conv(x, W) + bias`` with tangents ``[b, height, width, channels, K]``."""

    def __init__(self, site: Site):
        self.site, self.geometry = site, Geometry(site)
        self._patches = self.geometry.patches(site.x)  # U
        self._spread = self.geometry.spread(site.delta) if site.inner else None  # D
        self.kept = site.x.numel() if site.inner else 0
        # A convolution of tangents copies what goes in and what comes out.
        self.passing = 2 * site.weight.numel() + 4 * site.y.numel() + 4 * self.kept

    def forward(self, tangent, weight, bias) -> torch.Tensor:
        """Tangent of y, for the vectors' ``weight [K, co, ci, kh, kw]`` and ``bias [K, co]``."""
        b, co, h, w = self.site.y.shape
        columns = weight.flatten(2).permute(2, 1, 0).flatten(1)  # [ci kh kw, co K]
        y = (self._patches @ columns).view(b, h, w, co, -1)
        if bias is not None:
            y += bias.T
        if self.site.inner:
            self._tangent = tangent
            y += _convolved(functional.conv2d, tangent, self.site.weight, self.geometry.settings)
        return y

    def backward(self, tangent, weight, out_weight, out_bias) -> torch.Tensor | None:
        """Tangent of the gradient: of the parameters into ``out_...``, of x as the result."""
        K, co, ci, kh, kw = weight.shape
        rows = tangent.flatten(0, 2)
        product = self._patches.T @ rows.flatten(1)
        out_weight.copy_(product.view(ci, kh, kw, co, K).permute(4, 3, 0, 1, 2))
        if out_bias is not None:
            out_bias.copy_(rows.sum(0).T)
        if not self.site.inner:
            return None
        inputs, self._tangent = self._tangent, None
        product = self._spread.T @ inputs.reshape(len(self._spread), ci * K)
        out_weight += product.view(kh, kw, co, ci, K).permute(4, 2, 3, 0, 1)
        by_place = weight.permute(3, 4, 1, 2, 0).reshape(-1, ci * K)  # [kh kw co, ci K]
        down = (self._spread @ by_place).view(inputs.shape)
        settings = self.geometry.transposed
        down += _convolved(functional.conv_transpose2d, tangent, self.site.weight, settings)
        return down

    def sample_gradients(self, rows, out_weight, out_bias) -> None:
        """Each sample's share of the mean gradient."""
        delta = self.site.delta[rows].flatten(2)
        patches = self._patches.view(len(self.site.x), delta.shape[2], -1)[rows]
        out_weight.copy_((delta @ patches).view(out_weight.shape))
        if out_bias is not None:
            torch.sum(delta, 2, out=out_bias)


def _convolved(function, tangent, weight, settings) -> torch.Tensor:
    """A convolution of tangents with the weights at the point, vector by vector and sample."""
    b, K = len(tangent), tangent.shape[-1]
    images = tangent.permute(0, 4, 3, 1, 2).flatten(0, 1)  # [b K, channels, height, width]
    return function(images, weight, **settings).unflatten(0, (b, K)).permute(0, 3, 4, 2, 1)


class Geometry:
    """How positions of input, kernel and output of a convolution belong together."""

    def __init__(self, site: Site):
        layer = site.layer
        self.kernel, self.stride, self.dilation = layer.kernel_size, layer.stride, layer.dilation
        self.padding = self._padding(layer.padding)
        self.input, self.output = site.x.shape[2:], site.y.shape[2:]
        self.settings = {
            "stride": self.stride, "padding": self.padding, "dilation": self.dilation
        }  # fmt: skip
        # A stride may leave out the last rows and columns of the input.
        left = (self._left(axis) for axis in range(2))
        self.transposed = {**self.settings, "output_padding": tuple(left)}

    def _padding(self, padding) -> tuple[int, int]:
        if padding == "valid":
            return 0, 0
        if padding == "same":
            sizes = zip(self.kernel, self.dilation, strict=True)
            return tuple(dilation * (kernel - 1) // 2 for kernel, dilation in sizes)
        return pair(padding)

    def _left(self, axis: int) -> int:
        kernel, stride, dilation, padding, length = self._axis(axis)
        reached = (self.output[axis] - 1) * stride + dilation * (kernel - 1) + 1 - 2 * padding
        return length - reached

    def _axis(self, axis: int) -> tuple[int, int, int, int, int]:
        settings = (self.kernel, self.stride, self.dilation, self.padding, self.input)
        return tuple(setting[axis] for setting in settings)

    def patches(self, x: torch.Tensor) -> torch.Tensor:
        """Row ``(sample, output position)``, column ``(ci, kh, kw)``."""
        columns = functional.unfold(
            x, self.kernel, dilation=self.dilation, padding=self.padding, stride=self.stride
        )
        return columns.transpose(1, 2).flatten(0, 1)

    def spread(self, delta: torch.Tensor) -> torch.Tensor:
        """Row ``(sample, input position)``, column ``(kh, kw, co)``."""
        b, co = delta.shape[:2]
        (kh, kw), (ph, pw), (height, width) = self.kernel, self.padding, self.input
        place = delta.new_zeros(b, self._room(0), self._room(1), kh, kw, co)
        values = channels_last(delta)
        for row in range(kh):
            for column in range(kw):
                rows, columns = self._reached(0, row), self._reached(1, column)
                place[:, rows, columns, row, column] = values
        return place[:, ph : ph + height, pw : pw + width].reshape(b * height * width, -1)

    def _room(self, axis: int) -> int:
        """Length of the padded input."""
        return self.input[axis] + 2 * self.padding[axis]

    def _reached(self, axis: int, offset: int) -> slice:
        """Places in the padded input that one kernel position meets."""
        start = offset * self.dilation[axis]
        last = start + (self.output[axis] - 1) * self.stride[axis]
        return slice(start, last + 1, self.stride[axis])

    def places(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Input positions that output positions see: shape ``[kh kw, len(positions)]``.

        Args:
            positions: ``row * width + column`` in the output.

        Returns:
            Positions in the input, and 1 where they are inside it. Those outside are set to 0.
        """
        width = self.output[1]
        rows, inside_rows = self._seen(0, positions // width)
        columns, inside_columns = self._seen(1, positions % width)
        inside = inside_rows[:, None] & inside_columns
        places = rows[:, None] * self.input[1] + columns
        return (places * inside).flatten(0, 1), inside.flatten(0, 1)

    def _seen(self, axis: int, outputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        kernel, stride, dilation, padding, length = self._axis(axis)
        offsets = torch.arange(kernel, device=outputs.device, dtype=outputs.dtype)
        seen = outputs * stride + (offsets * dilation - padding)[:, None]
        return seen, (seen >= 0) & (seen < length)
