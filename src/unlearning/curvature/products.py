"""Hessian-vector products for many vectors at one point."""

import warnings

import torch
from torch.func import jvp, vmap

from unlearning.base import checks
from unlearning.problem.objective import Objective

# PyTorch scripts its own forward-mode formulas on first use and then warns about having done so.
warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", FutureWarning)


def hessian_vector_products(
    objective: Objective,
    w: torch.Tensor,
    inputs: torch.Tensor,
    labels: torch.Tensor,
    vectors: torch.Tensor,
    *,
    chunk: int | None = None,
) -> torch.Tensor:
    """Multiply the Hessian of the mean loss over a batch with many vectors.

    Forward-over-reverse differentiation (Pearlmutter 1994): H v is the directional derivative of
    the gradient along v, so one product costs a few gradients and H is never formed.

    Args:
        objective: whose mean loss; the penalty is not part of it, add ``l2 * vectors`` yourself.
        w: the point, shape ``[d]``.
        inputs: the batch, shape ``[b, ...]``.
        labels: shape ``[b]``.
        vectors: shape ``[K, d]``.
        chunk: how many vectors are differentiated at once; bounds the memory, all by default.

    Returns:
        The products, shape ``[K, d]``.

    Raises:
        ValueError: if ``vectors`` is not ``[K, d]``, or ``chunk`` is below 1.
    """
    if vectors.ndim != 2 or vectors.shape[1] != len(w):
        checks.fail("vectors", f"shape [K, {len(w)}]", list(vectors.shape))
    if chunk is not None:
        checks.integer("chunk", chunk, least=1)

    # Forward mode gives every tangent as much room as the STORAGE of its primal: were w a row of a
    # trajectory, each of the K tangents would get room for the whole trajectory.
    w = w.clone()

    def gradient(point):
        return objective.gradient(point, inputs, labels)

    product = vmap(lambda v: jvp(gradient, (w,), (v,))[1])
    if chunk is None or chunk >= len(vectors):
        return product(vectors).contiguous()  # a zero Hessian comes back as one expanded zero
    return torch.cat([product(part) for part in vectors.split(chunk)])


def hessian(objective: Objective, w, inputs, labels) -> torch.Tensor:
    """The dense Hessian of the mean loss over a batch, without penalty: shape ``[d, d]``.

    For small d only (d products with the unit vectors).
    """
    unit = torch.eye(len(w), dtype=w.dtype, device=w.device)
    return hessian_vector_products(objective, w, inputs, labels, unit)
