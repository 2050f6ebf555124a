"""Products by walking a chain of layers forth and back once per chunk of vectors."""

import torch
from torch import nn

from unlearning.curvature.kernels.chain import UnfitError, chain
from unlearning.curvature.kernels.layers.conv import Conv
from unlearning.curvature.kernels.layers.dense import Dense
from unlearning.curvature.kernels.layers.pointwise import Activation, Flat
from unlearning.curvature.kernels.layers.pool import AvgPool, MaxPool
from unlearning.curvature.kernels.layers.pooled_conv import PooledConv
from unlearning.curvature.kernels.layers.site import visit
from unlearning.curvature.kernels.memory import chunk_within, held_bytes
from unlearning.problem.objective import Objective

_LINKS = {
    nn.Linear: Dense,
    nn.Conv2d: Conv,
    nn.MaxPool2d: MaxPool,
    nn.AvgPool2d: AvgPool,
    nn.Flatten: Flat,
    nn.ReLU: Activation,
    nn.Softplus: Activation,
    nn.Tanh: Activation,
}
# Beyond this, tangents no longer stay in a large cache, and fresh memory costs more than it saves.
_CHUNK_BYTES = 2**26
_LARGEST_CHUNK = 64
# To prepare a convolution takes as long as to multiply this many vectors in the generic way.
_WORTH_PREPARING = 8


def check(objective: Objective) -> None:
    """Refuse every model that has a layer without a formula here.

    Raises:
        UnfitError: naming the layer.
    """
    for _, layer in chain(objective):
        if type(layer) not in _LINKS or not _plain(layer):
            raise UnfitError(f"a layer {layer}")


def too_few(objective: Objective, count: int | None) -> bool:
    """Whether ``count`` vectors are faster multiplied without the preparation done here."""
    convolves = any(type(layer) is nn.Conv2d for _, layer in chain(objective))
    return count is not None and count < _WORTH_PREPARING and convolves


def _plain(layer: nn.Module) -> bool:
    if isinstance(layer, nn.Flatten):
        return (layer.start_dim, layer.end_dim) == (1, -1)
    if isinstance(layer, nn.MaxPool2d):
        return not layer.return_indices
    if isinstance(layer, nn.Conv2d):
        spans = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
        even = layer.padding != "same" or not any(span % 2 for span in spans)
        return layer.groups == 1 and layer.padding_mode == "zeros" and even
    return True


class LayerProducts:
    """The R-operator, layer by layer (see ``curvature.products.Products``)."""

    name = "layers"

    def __init__(self, objective: Objective, w, inputs, labels):
        self._objective, self._batch = objective, len(inputs)
        sites, self._loss, self._gradient = visit(objective, w, inputs, labels)
        self._links = _linked(sites)
        numbers = len(w) + sum(link.kept for link in self._links)
        numbers += max(link.passing for link in self._links)
        self.bytes_per_vector = numbers * w.element_size()
        # Twice what is kept, for what making it takes, and some copies of the weights.
        self.fixed_bytes = 2 * held_bytes(self._links, self._loss) + 4 * w.nbytes
        self.default_chunk = chunk_within(_CHUNK_BYTES, self.bytes_per_vector, _LARGEST_CHUNK)

    @torch.no_grad()
    def multiply(self, vectors: torch.Tensor, *, out: torch.Tensor | None = None) -> torch.Tensor:
        """``H vectors``, ``[K, d]``."""
        if out is None:
            out = torch.empty_like(vectors, memory_format=torch.contiguous_format)
        weights, products = self._objective.unflatten(vectors), self._objective.unflatten(out)
        tangent = None
        for link in self._links:
            tangent = link.forward(tangent, *_of(link, weights))
        tangent = self._loss.tangent(tangent)
        for link in reversed(self._links):
            tangent = link.backward(tangent, *_of(link, weights)[:1], *_of(link, products))
        return out

    def gradient(self) -> torch.Tensor:
        """Mean batch gradient, ``[d]``."""
        return self._gradient.clone()

    @torch.no_grad()
    def sample_gradients(self, positions=None) -> torch.Tensor:
        """Gradient of each sample's own loss, ``[len(positions), d]``."""
        positions = range(self._batch) if positions is None else positions
        rows = torch.as_tensor(positions, device=self._gradient.device)
        out = self._gradient.new_empty(len(rows), self._objective.dimension)
        parts = self._objective.unflatten(out)
        for link in self._links:
            if link.site.weight is not None:
                link.sample_gradients(rows, *_of(link, parts))
        return out.mul_(self._batch)


def _of(link, parts: dict[str, torch.Tensor]) -> tuple:
    """Weight and bias (or None) of a link; nothing for one without parameters."""
    if link.site.weight is None:
        return ()
    return parts[link.site.prefix + "weight"], parts.get(link.site.prefix + "bias")


def _linked(sites: list) -> list:
    links, kinds = [], [type(site.layer) for site in sites]
    at = 0
    while at < len(sites):
        if kinds[at : at + 2] == [nn.Conv2d, nn.MaxPool2d]:
            relu = sites[at + 2] if kinds[at + 2 : at + 3] == [nn.ReLU] else None
            links.append(PooledConv(sites[at], sites[at + 1], relu))
            at += 2 if relu is None else 3
        else:
            links.append(_LINKS[kinds[at]](sites[at]))
            at += 1
    return links
