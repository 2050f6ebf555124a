"""Hessian-vector products for many vectors at one point."""

from typing import NoReturn, Protocol

import torch

from unlearning.base import checks
from unlearning.curvature.kernels import generic, softmax
from unlearning.curvature.kernels.chain import UnfitError
from unlearning.curvature.kernels.layers import products as layers
from unlearning.problem.objective import Objective

#: Ways to multiply, from the most special to the most general; ``auto`` takes the first that fits.
KERNELS = ("auto", "softmax", "layers", "generic")


class Products(Protocol):
    """A point and a batch, with all that products at it share computed once.

    H is the Hessian of the mean loss over the batch; the penalty is not part of it.

    Attributes:
        name: which kernel this is.
        default_chunk: how many vectors are multiplied at once by default; it depends on the model
            and the batch alone, so that results do not depend on the machine's memory.
        bytes_per_vector: bound on what a chunk needs while it is multiplied, per vector, its
            products included.
        fixed_bytes: bound on what is needed whatever the number of vectors.
    """

    name: str
    default_chunk: int
    bytes_per_vector: int
    fixed_bytes: int

    def multiply(self, vectors: torch.Tensor, *, out: torch.Tensor | None = None) -> torch.Tensor:
        """``H vectors`` for ``vectors [K, d]``, all K at once; into ``out [K, d]`` if given."""

    def gradient(self) -> torch.Tensor:
        """Mean batch gradient of the loss, shape ``[d]``."""

    def sample_gradients(self, positions=None) -> torch.Tensor:
        """Gradient of each sample's own loss, shape ``[len(positions), d]``.

        ``positions`` are places in the batch (a list or an index tensor), all by default.
        """


def at(
    objective: Objective, w, inputs, labels, *, kernel: str = "auto", count: int | None = None
) -> Products:
    """Prepare products at one point for one batch.

    Args:
        objective: whose mean loss; the penalty is not part of it, add ``l2 * vectors`` yourself.
        w: the point, shape ``[d]``.
        inputs: the batch, shape ``[b, ...]``.
        labels: shape ``[b]``.
        kernel: out of ``KERNELS``.
        count: how many vectors will be multiplied in all, if that is known. ``auto`` then takes
            ``generic`` where so few are not worth the preparation.

    Raises:
        ValueError: if ``w`` is not ``[d]``, or the model does not allow the kernel.
    """
    if w.shape != (objective.dimension,):
        checks.fail("w", f"shape [{objective.dimension}]", list(w.shape))
    name = kernel_for(objective, kernel)
    if kernel == "auto" and name == "layers" and layers.too_few(objective, count):
        name = "generic"
    with torch.no_grad():
        try:
            return _KERNELS[name][1](objective, w, inputs, labels)
        except UnfitError as error:
            if kernel != "auto":
                _fail(kernel, error)
            return generic.GenericProducts(objective, w, inputs, labels)


def kernel_for(objective: Objective, kernel: str = "auto") -> str:
    """Name of the kernel that serves a model: the one given, or the first that fits.

    Inputs of a shape that ``layers`` has no formula for still make ``auto`` take ``generic``.

    Raises:
        ValueError: for an unknown kernel, or one that does not apply to the model.
    """
    checks.choice("kernel", kernel, KERNELS)
    if kernel != "auto":
        reason = _refusal(objective, kernel)
        return _fail(kernel, reason) if reason else kernel
    return next(name for name in _KERNELS if not _refusal(objective, name))


def _refusal(objective: Objective, kernel: str) -> UnfitError | None:
    try:
        _KERNELS[kernel][0](objective)
    except UnfitError as error:
        return error
    return None


def _fail(kernel: str, reason: UnfitError) -> NoReturn:
    checks.fail("kernel", f"one that fits the model, which {kernel!r} does not", reason)


def hessian_vector_products(
    objective: Objective,
    w: torch.Tensor,
    inputs: torch.Tensor,
    labels: torch.Tensor,
    vectors: torch.Tensor,
    *,
    chunk: int | None = None,
    kernel: str = "auto",
) -> torch.Tensor:
    """Multiply the Hessian of the mean loss over a batch with many vectors.

    A product costs a few gradients, and H is never formed. ``at`` does the same in two steps.

    Args:
        objective: whose mean loss; the penalty is not part of it, add ``l2 * vectors`` yourself.
        w: the point, shape ``[d]``.
        inputs: the batch, shape ``[b, ...]``.
        labels: shape ``[b]``.
        vectors: shape ``[K, d]``.
        chunk: how many vectors are multiplied at once; bounds the memory. By default a number
            that suits the model.
        kernel: out of ``KERNELS``.

    Returns:
        The products, shape ``[K, d]``.

    Raises:
        ValueError: if ``vectors`` is not ``[K, d]``, ``chunk`` is below 1, or the model does not
            allow the kernel.
    """
    if vectors.ndim != 2 or vectors.shape[1] != len(w):
        checks.fail("vectors", f"shape [K, {len(w)}]", list(vectors.shape))
    if chunk is not None:
        checks.integer("chunk", chunk, least=1)
    products = at(objective, w, inputs, labels, kernel=kernel, count=len(vectors))
    chunk = chunk or products.default_chunk
    out = torch.empty_like(vectors, memory_format=torch.contiguous_format)
    for start in range(0, len(vectors), chunk):
        part = slice(start, start + chunk)
        products.multiply(vectors[part], out=out[part])
    return out


def hessian(objective: Objective, w, inputs, labels) -> torch.Tensor:
    """The dense Hessian of the mean loss over a batch, without penalty: shape ``[d, d]``.

    For small d only (d products with the unit vectors).
    """
    unit = torch.eye(len(w), dtype=w.dtype, device=w.device)
    return hessian_vector_products(objective, w, inputs, labels, unit)


def _any_model(objective: Objective) -> None:
    """Nothing to check."""


# By name: what refuses a model, and what multiplies; the most special first.
_KERNELS = {
    "softmax": (softmax.check, softmax.SoftmaxProducts),
    "layers": (layers.check, layers.LayerProducts),
    "generic": (_any_model, generic.GenericProducts),
}
