"""A convolution with the max pooling (and ReLU) right after it, as one layer.

Only where a maximum stands, and ReLU lets it through, does the convolution's output matter. These
few entries ``e = (sample, window, channel)``, each at its position in the convolution's output,
meet the input at ``kh kw`` positions each, the same for every vector. So what would be a
convolution of tangents becomes sums of their rows over fixed short lists ("bags"), and the largest
tensors of the network, its tangents before pooling, never exist::

    forward      U_e V_c       + sum over kernel and ci of W x'                     for each e
    backward     sum over e of U_e d'_e,   sum over e of x' delta_e                (V)
                 for each input position: sum over its (e, kernel) of V delta_e + W d'_e   (x)
"""

import torch

from unlearning.curvature.kernels.layers.conv import Geometry
from unlearning.curvature.kernels.layers.images import channels_last
from unlearning.curvature.kernels.layers.meetings import Meetings
from unlearning.curvature.kernels.layers.pool import winners
from unlearning.curvature.kernels.layers.site import Site


class PooledConv:
    """``y = relu(maxpool(conv(x, W) + bias))``, with or without the ReLU.

    Args:
        conv: the convolution's values.
        pool: those of the max pooling.
        relu: those of the ReLU after it, if there is one.
    """

    def __init__(self, conv: Site, pool: Site, relu: Site | None):
        self.site, geometry = conv, Geometry(conv)
        positions = winners(pool)  # [b, h', w', co]
        _, self._h, self._w, self._co = positions.shape
        last = pool if relu is None else relu
        used = torch.ones_like(last.y) if relu is None else (last.y > 0).to(last.y.dtype)
        self._used = channels_last(used)[..., None]
        self.kept = conv.x.numel() if conv.inner else 0
        self.passing = 2 * conv.weight.numel() + 2 * last.y.numel() + 2 * self.kept
        self._delta = channels_last(pool.delta)
        self._patches = self._chosen(geometry.patches(conv.x), positions, geometry)
        if conv.inner:
            used = self._used.flatten().nonzero().flatten()
            self._bags = Meetings(conv, geometry, positions, used, self._delta)

    def _chosen(self, patches, positions, geometry) -> torch.Tensor:
        """Patches that the maxima saw: ``[co, b windows, ci kh kw]``."""
        area = geometry.output[0] * geometry.output[1]
        sample = torch.arange(len(positions), device=positions.device).view(-1, 1, 1, 1) * area
        rows = (positions + sample).flatten(0, 2).T  # [co, b windows]
        return patches.index_select(0, rows.flatten()).view(*rows.shape, -1)

    def forward(self, tangent, weight, bias) -> torch.Tensor:
        """Tangent of y, for the vectors' ``weight [K, co, ci, kh, kw]`` and ``bias [K, co]``."""
        K = len(weight)
        y = self._patches.new_empty(len(self._used), self._h, self._w, self._co, K)
        columns = weight.flatten(2).permute(1, 2, 0).contiguous()  # [co, ci kh kw, K]
        # Written to where it belongs: to turn a whole batched product around takes longer.
        for c, rows in enumerate(y.flatten(0, 2).unbind(1)):
            torch.mm(self._patches[c], columns[c], out=rows)
        if bias is not None:
            y += bias.T
        y *= self._used
        if self.site.inner:
            self._tangent = tangent
            y.view(-1, K).add_(self._bags.inputs_at(tangent.view(-1, K)))
        return y

    def backward(self, tangent, weight, out_weight, out_bias) -> torch.Tensor | None:
        """Tangent of the gradient: of the parameters into ``out_...``, of x as the result."""
        K, co, ci, kh, kw = weight.shape
        tangent = tangent.mul_(self._used)
        rows = tangent.flatten(0, 2)  # [b windows, co, K]
        product = torch.stack([self._patches[c].T @ rows[:, c] for c in range(co)])
        out_weight.copy_(product.permute(2, 0, 1).view(weight.shape))
        if out_bias is not None:
            out_bias.copy_(rows.sum(0).T)
        if not self.site.inner:
            return None
        inputs, self._tangent = self._tangent, None
        product = self._bags.inputs_by_delta(inputs.view(-1, ci * K))
        out_weight += product.view(kh, kw, co, ci, K).permute(4, 2, 3, 0, 1)
        by_place = weight.permute(3, 4, 1, 2, 0).reshape(-1, ci * K)  # [kh kw co, ci K]
        down = self._bags.weights_by_delta(by_place).view(-1, ci, K)
        self._bags.add_outputs(down, tangent.view(-1, K))
        return down.view(inputs.shape)

    def sample_gradients(self, rows, out_weight, out_bias) -> None:
        """Each sample's share of the mean gradient."""
        delta = self._delta[rows].flatten(1, 2).permute(2, 0, 1)[:, :, None]  # [co, b, 1, windows]
        patches = self._patches.view(self._co, len(self.site.x), delta.shape[3], -1)[:, rows]
        out_weight.copy_((delta @ patches).transpose(0, 1).reshape(out_weight.shape))
        if out_bias is not None:
            torch.sum(delta[:, :, 0].transpose(0, 1), 2, out=out_bias)
