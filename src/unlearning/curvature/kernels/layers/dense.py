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
        """Tangent of y, for the vectors' ``weight [K, j, i]`` and ``bias [K, j]``."""
        x = self.site.x
        # The vectors' weights are the largest here: they are read as they lie, y is turned.
        y = (weight.flatten(0, 1) @ x.T).view(*weight.shape[:2], -1).permute(2, 1, 0).contiguous()
        if self.site.inner:
            self._tangent = tangent
            y.baddbmm_(self.site.weight.expand(len(x), -1, -1), tangent)
        return y if bias is None else y.add_(bias.T)

    def backward(self, tangent, weight, out_weight, out_bias) -> torch.Tensor | None:
        """Tangent of the gradient: of the parameters into ``out_...``, of x as the result."""
        if out_bias is not None:
            out_bias.copy_(tangent.sum(0).T)
        by_vector = tangent.permute(2, 1, 0).flatten(0, 1)  # [K j, b]
        product = (by_vector @ self.site.x).view(weight.shape)
        if not self.site.inner:
            out_weight.copy_(product)
            return None
        inputs, self._tangent = self._tangent, None
        delta = self.site.delta.expand(len(weight), -1, -1)
        out_weight.copy_(product.baddbmm_(delta.mT, inputs.permute(2, 0, 1).contiguous()))
        down = (delta @ weight).permute(1, 2, 0).contiguous()
        return down.baddbmm_(self.site.weight.T.expand(len(down), -1, -1), tangent)

    def sample_gradients(self, rows, out_weight, out_bias) -> None:
        """Each sample's share of the mean gradient."""
        delta, x = self.site.delta[rows], self.site.x[rows]
        torch.mul(delta[:, :, None], x[:, None], out=out_weight)
        if out_bias is not None:
            out_bias.copy_(delta)
