"""The losses: gradient and Hessian at the network's outputs."""

import torch
from torch.nn import functional

from unlearning.curvature.kernels.chain import UnfitError


class Loss:
    """Mean loss over a batch at its outputs ``z [b, classes]``.

    Attributes:
        delta: gradient of the mean loss with respect to the outputs, of their shape.
    """

    def __init__(self, name: str, outputs: torch.Tensor, labels: torch.Tensor):
        if outputs.ndim != 2:
            raise UnfitError(f"outputs of shape {list(outputs.shape)}")
        self._share = 1 / labels.numel()
        self._probabilities = None
        if name == "squared":
            self.delta = (outputs - labels.reshape(outputs.shape)) * self._share
            return
        probabilities = outputs.softmax(1)
        hot = functional.one_hot(labels, outputs.shape[1])
        self.delta = (probabilities - hot.to(outputs.dtype)) * self._share
        self._probabilities = probabilities[:, :, None]

    def tangent(self, outputs: torch.Tensor) -> torch.Tensor:
        """Tangent of delta for that of the outputs, ``[b, classes, K]``."""
        if self._probabilities is None:
            return outputs * self._share
        weighted = self._probabilities * outputs
        weighted -= self._probabilities * weighted.sum(1, keepdim=True)
        return weighted.mul_(self._share)
