"""Products with the generalised Gauss-Newton matrix, which is never indefinite."""

import torch
from torch.func import jvp, vjp, vmap

from unlearning.base import checks
from unlearning.curvature.kernels.layers.loss import Loss
from unlearning.problem.objective import Objective


class GaussNewtonProducts:
    """``G = J^T L J`` at one point for one batch.

    J is the Jacobian of the model's outputs with respect to the weights and L the Hessian of the
    mean loss with respect to the outputs (Schraudolph 2002). For convex losses G is positive
    semi-definite. It is the Hessian without the curvature of the model itself, so for a model that
    is linear in its weights (softmax regression) it IS the Hessian.

    Args:
        objective: whose mean loss; the penalty is not part of it.
        w: the point, shape ``[d]``.
        inputs: the batch, shape ``[b, ...]``.
        labels: shape ``[b]``.

    Raises:
        ValueError: if the objective computes a loss of its own, whose L is not known here.
    """

    default_chunk = 32

    def __init__(self, objective: Objective, w, inputs, labels):
        if not objective.as_named:
            checks.fail("curvature", "'hessian' for an objective with a loss of its own", "'ggn'")
        self._objective, self._w = objective, w.detach().clone()
        self._inputs, self._labels = inputs, labels

    def multiply(self, vectors: torch.Tensor) -> torch.Tensor:
        """``G vectors`` for ``vectors [K, d]``, all K at once."""
        outputs, pull = vjp(self._outputs, self._w)
        tangents = vmap(lambda v: jvp(self._outputs, (self._w,), (v,))[1])(vectors)
        loss = Loss(self._objective.loss_name, outputs.detach(), self._labels)
        curved = loss.tangent(tangents.movedim(0, -1)).movedim(-1, 0)
        return vmap(pull)(curved)[0]

    def _outputs(self, w: torch.Tensor) -> torch.Tensor:
        """Outputs ``[b, classes]``; a model with one number a sample may give it as ``[b]``."""
        return self._objective.outputs(w, self._inputs).reshape(len(self._inputs), -1)
