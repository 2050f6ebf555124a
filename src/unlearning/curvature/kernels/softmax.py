"""Softmax regression: its Hessian in closed form.

With ``p`` the class probabilities of a sample ``x`` and ``b`` samples in the batch::

    logit tangent      t = V x + v                                     (V, v: the vector's parts)
    delta tangent      r = (p * t - p (p . t)) / b                     (the Hessian at the logits)
    product            sum over the batch of r x^T, and of r for the bias
"""

import torch
from torch import nn
from torch.nn import functional

from unlearning.curvature.kernels.chain import UnfitError, chain
from unlearning.curvature.kernels.layout import Layout
from unlearning.curvature.kernels.memory import chunk_within
from unlearning.problem.objective import Objective

# Large matrix products are fast, and so are those whose matrices stay in the cache.
_CHUNK_BYTES = 2**24
_LARGEST_CHUNK = 512


def check(objective: Objective) -> None:
    """Refuse every model but a linear layer under the cross-entropy.

    Raises:
        UnfitError: naming what else there is.
    """
    *before, (_, last) = chain(objective)
    if objective.loss_name != "cross_entropy":
        raise UnfitError(f"the loss {objective.loss_name}")
    if type(last) is not nn.Linear:
        raise UnfitError(f"a last layer {type(last).__name__}")
    for _, layer in before:
        if type(layer) is not nn.Flatten or (layer.start_dim, layer.end_dim) != (1, -1):
            raise UnfitError(f"a layer {layer}")


class SoftmaxProducts:
    """Products by matrix multiplication alone (see ``curvature.products.Products``)."""

    name = "softmax"

    def __init__(self, objective: Objective, w, inputs, labels):
        self._layout, self._dimension = Layout(objective), objective.dimension
        weight, bias = self._layout.parts(w)
        self._inputs = inputs.flatten(1)
        logits = functional.linear(self._inputs, weight, bias)
        self._probabilities = logits.softmax(1)
        hot = functional.one_hot(labels, logits.shape[1])
        self._deltas = self._probabilities - hot.to(logits.dtype)
        b, classes = logits.shape
        # The products, one matrix of weights, and two tangents [b, classes].
        self.bytes_per_vector = (2 * len(w) + 2 * b * classes) * w.element_size()
        self.fixed_bytes = 5 * b * classes * hot.element_size() + w.nbytes
        self.default_chunk = chunk_within(_CHUNK_BYTES, self.bytes_per_vector, _LARGEST_CHUNK)

    @torch.no_grad()
    def multiply(self, vectors: torch.Tensor, *, out: torch.Tensor | None = None) -> torch.Tensor:
        """``H vectors``, ``[K, d]``."""
        if out is None:
            out = torch.empty_like(vectors, memory_format=torch.contiguous_format)
        weight, bias = self._layout.parts(vectors)
        K, classes, features = weight.shape
        # The classes of all vectors are made the rows of one matrix, and the copy pays: matrix
        # products on rows as far apart as whole vectors are slow.
        tangents = (weight.reshape(-1, features) @ self._inputs.T).view(K, classes, -1)
        if bias is not None:
            tangents += bias[:, :, None]
        p = self._probabilities.T
        tangents -= (p * tangents).sum(1, keepdim=True)
        tangents *= p / len(self._inputs)
        weight, bias = self._layout.parts(out)
        weight.copy_((tangents.view(-1, len(self._inputs)) @ self._inputs).view(weight.shape))
        if bias is not None:
            torch.sum(tangents, 2, out=bias)
        return out

    def gradient(self) -> torch.Tensor:
        """Mean batch gradient, ``[d]``."""
        out = self._inputs.new_empty(self._dimension)
        weight, bias = self._layout.parts(out)
        deltas = self._deltas / len(self._inputs)
        torch.mm(deltas.T, self._inputs, out=weight)
        if bias is not None:
            torch.sum(deltas, 0, out=bias)
        return out

    @torch.no_grad()
    def sample_gradients(self, positions=None) -> torch.Tensor:
        """Gradient of each sample's own loss, ``[len(positions), d]``."""
        rows = slice(None) if positions is None else positions
        deltas, inputs = self._deltas[rows], self._inputs[rows]
        out = inputs.new_empty(len(inputs), self._dimension)
        weight, bias = self._layout.parts(out)
        torch.mul(deltas[:, :, None], inputs[:, None], out=weight)
        if bias is not None:
            bias.copy_(deltas)
        return out
