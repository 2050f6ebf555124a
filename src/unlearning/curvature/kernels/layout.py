"""How a flat vector holds softmax regression: a row of weights a class, then perhaps the biases."""

import torch

from unlearning.curvature.kernels.chain import chain
from unlearning.problem.objective import Objective


class Layout:
    """Matrix products on the parts of flat vectors, without rearranging them.

    The rows of one class in all vectors are a matrix with a stride, so that there is one product
    a class; with the samples of several batches at once these run at full speed.

    Args:
        objective: of softmax regression (``kernels.softmax.check``).
    """

    def __init__(self, objective: Objective):
        self._objective, self._prefix = objective, chain(objective)[-1][0]
        self.bias = self.parts(objective.initial_weights)[1] is not None

    def parts(self, flat: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Views of ``flat [..., d]``: weights ``[..., classes, p]``, biases or None."""
        named = self._objective.unflatten(flat)
        return named[self._prefix + "weight"], named.get(self._prefix + "bias")

    def logits(self, vectors: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
        """Of each of ``vectors [K, d]`` on ``inputs [B, p]``: shape ``[classes, K, B]``."""
        weight, bias = self.parts(vectors)
        count, classes, _ = weight.shape
        out = inputs.new_empty(classes, count, len(inputs))
        for c in range(classes):
            torch.mm(weight[:, c], inputs.T, out=out[c])
        return out if bias is None else out.add_(bias.T[:, :, None])

    def add_outer_(self, vectors, factors, inputs, *, beta: float, alpha: float) -> None:
        """``vectors <- beta vectors + alpha factors inputs``, in place.

        Args:
            vectors: shape ``[K, d]``.
            factors: shape ``[classes, K, B]``.
            inputs: shape ``[B, p]``; a bias has the input 1.
            beta: factor on what is there.
            alpha: factor on what is added.
        """
        weight, bias = self.parts(vectors)
        for c, factor in enumerate(factors):
            weight[:, c].addmm_(factor, inputs, beta=beta, alpha=alpha)
        if bias is not None:
            bias.mul_(beta).add_(factors.sum(2).T, alpha=alpha)
