"""Linear layers."""

import torch

from unlearning.curvature.kernels.chain import UnfitError
from unlearning.curvature.kernels.layers.site import Site


class Dense:
    """``y = x W^T + bias`` with tangents ``[b, features, K]``."""

    def __init__(self, site: Site):
        if site.x.ndim != 2:
            raise UnfitError(f"a linear layer on inputs of shape {list(site.x.shape)}")
        self.site, self._tangent = site, None
        weight = site.weight.numel()
        self.kept = site.x.numel() if site.inner else 0
        self.passing = 2 * weight + 2 * site.y.numel() + self.kept

    def forward(self, tangent, weight, bias) -> torch.Tensor:
        """Tangent of y, for the vectors' ``weight [j, i, K]`` and ``bias [j, K]``."""
        j, i, K = weight.shape
        x = self.site.x
        y = (x @ weight.transpose(0, 1).reshape(i, j * K)).view(len(x), j, K)
        if self.site.inner:
            self._tangent = tangent
            y.baddbmm_(self.site.weight.expand(len(x), -1, -1), tangent)
        return y if bias is None else y.add_(bias)

    def backward(self, tangent, weight, out_weight, out_bias) -> torch.Tensor | None:
        """Tangent of the gradient: of the parameters into ``out_...``, of x as the result."""
        x, delta = self.site.x, self.site.delta
        by_input = x.T @ tangent.flatten(1)
        out_weight.copy_(by_input.view(x.shape[1], -1, tangent.shape[2]).transpose(0, 1))
        if out_bias is not None:
            torch.sum(tangent, 0, out=out_bias)
        if not self.site.inner:
            return None
        inputs, self._tangent = self._tangent, None
        out_weight.flatten(1).addmm_(delta.T, inputs.flatten(1))
        down = (delta @ weight.flatten(1)).view(inputs.shape)
        return down.baddbmm_(self.site.weight.T.expand(len(x), -1, -1), tangent)

    def sample_gradients(self, rows, out_weight, out_bias) -> None:
        """Each sample's share of the mean gradient."""
        delta, x = self.site.delta[rows], self.site.x[rows]
        torch.mul(delta[:, :, None], x[:, None], out=out_weight)
        if out_bias is not None:
            out_bias.copy_(delta)
