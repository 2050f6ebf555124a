"""A block of the Gauss-Newton matrix from Jacobians: far cheaper than its products.

With J_i the Jacobian ``[c, d]`` of sample i's outputs and L_i the Hessian of its loss at them::

    G_SS = 1/n * sum over i of J_i[:, S]^T L_i J_i[:, S]

That takes c backward passes over the samples and ``2 n c |S|^2`` multiplications, where products
with ``|S|`` unit vectors take ``|S|`` forward and backward passes.
"""

import torch
from torch.func import jacrev, vmap

from unlearning.base import checks
from unlearning.curvature.kernels.layers.loss import Loss
from unlearning.curvature.restricted import Restricted
from unlearning.problem.objective import Objective

# Jacobians that are held at once take this much.
_BLOCK_BYTES = 2**27


def gauss_newton_block(restricted: Restricted) -> tuple[torch.Tensor, int]:
    """What ``restricted.dense()`` gives, for a system with ``curvature="ggn"``.

    Args:
        restricted: the system on the weights S.

    Returns:
        The matrix, penalty and damping included, shape ``[|S|, |S|]``; and the backward passes over
        all samples that it took, one for each output.

    Raises:
        ValueError: for a system with another curvature, an objective with a loss of its own, or if
            the matrix would not fit into the memory that is free.
        RuntimeError: if ``torch.func.vmap`` has no rule for some part of the model.
    """
    system, places = restricted.system, restricted.places
    objective, w = system.rows.objective, system.rows.w
    if system.curvature != "ggn" or not objective.as_named:
        checks.fail("restricted", "a Gauss-Newton system with a loss known by name", "another")
    restricted.check_memory()
    outputs = _outputs(objective, w, system.rows.samples.inputs[:1].to(w))
    size = max(1, _BLOCK_BYTES // (outputs * len(w) * w.element_size()))
    out = w.new_zeros(len(places), len(places))
    for share, inputs, labels in system.rows:
        for start in range(0, len(inputs), size):
            part = slice(start, start + size)
            some = _mean_block(objective, w, inputs[part], labels[part], places)
            out += system.loss_weight * share * len(inputs[part]) / len(inputs) * some
    out.diagonal().add_(system.shift + restricted.damping)
    return out, outputs


@torch.no_grad()
def _outputs(objective: Objective, w: torch.Tensor, inputs: torch.Tensor) -> int:
    """Numbers that the model gives for one sample."""
    return objective.outputs(w, inputs).numel()


def _mean_block(objective, w, inputs, labels, places: torch.Tensor) -> torch.Tensor:
    def one(w, x):
        outputs = objective.outputs(w, x[None]).reshape(-1)
        return outputs, outputs

    jacobian, outputs = vmap(jacrev(one, has_aux=True), in_dims=(None, 0))(w, inputs)
    jacobian = jacobian[..., places]
    curved = Loss(objective.loss_name, outputs, labels).tangent(jacobian)
    return jacobian.flatten(0, 1).T @ curved.flatten(0, 1)
