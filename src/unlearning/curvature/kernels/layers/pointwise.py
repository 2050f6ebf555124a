"""Activations, and the layer that only reshapes."""

import torch
from torch import nn

from unlearning.curvature.kernels.layers.images import channels_last
from unlearning.curvature.kernels.layers.site import Site


class Activation:
    """``y = f(x)``: the tangent of y is ``f' x'``, that of x's gradient ``f' d' + f'' d x'``."""

    def __init__(self, site: Site):
        self.site = site
        first, second = _DERIVATIVES[type(site.layer)](site)
        self._first = channels_last(first)[..., None]
        # Zero wherever it exists, for ReLU: then the tangent can be overwritten.
        self._bend = None if second is None else channels_last(second * site.delta)[..., None]
        self.kept = 0 if second is None else site.x.numel()
        self.passing = 2 * site.x.numel()

    def forward(self, tangent) -> torch.Tensor:
        """Tangent of y. The tangent of x is overwritten unless it is needed on the way back."""
        if self._bend is None:
            return tangent.mul_(self._first)
        self._tangent = tangent
        return tangent * self._first

    def backward(self, tangent) -> torch.Tensor:
        """Tangent of the gradient with respect to x, in place of that with respect to y."""
        tangent.mul_(self._first)
        if self._bend is None:
            return tangent
        inputs, self._tangent = self._tangent, None
        return tangent.addcmul_(self._bend, inputs)


class Flat:
    """``Flatten``: the tangent of images, channels last, becomes one of their channels first."""

    def __init__(self, site: Site):
        self.site, self.kept, self.passing = site, 0, 2 * site.x.numel()

    def forward(self, tangent) -> torch.Tensor:
        """Tangent of y ``[b, features, K]``."""
        self._image = tangent.ndim == 5
        moved = tangent.movedim(3, 1) if self._image else tangent
        self._shape = moved.shape
        return moved.flatten(1, -2)

    def backward(self, tangent) -> torch.Tensor:
        """Tangent of the gradient with respect to x."""
        moved = tangent.view(self._shape)
        return moved.movedim(1, 3).contiguous() if self._image else moved


def _relu(site: Site):
    # As autograd has it: the derivative at 0 is 0.
    return (site.x > 0).to(site.x.dtype), None


def _tanh(site: Site):
    slope = 1 - site.y.square()
    return slope, -2 * site.y * slope


def _softplus(site: Site):
    beta, threshold = site.layer.beta, site.layer.threshold
    scaled = site.x * beta
    slope = scaled.sigmoid()
    linear = scaled > threshold  # there PyTorch takes the identity
    second = (beta * slope * (1 - slope)).masked_fill(linear, 0.0)
    return slope.masked_fill(linear, 1.0), second


_DERIVATIVES = {nn.ReLU: _relu, nn.Softplus: _softplus, nn.Tanh: _tanh}
