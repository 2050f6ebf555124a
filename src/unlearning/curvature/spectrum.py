"""The ends of a Hessian's spectrum, and by how much one training step can stretch a displacement.

With ``H`` the Hessian of the mean batch objective, penalty included, a step with an idle clip
multiplies displacements by the symmetric matrix ``I - eta H``, whose 2-norm is the larger of
``|1 - eta lambda|`` at both ends of the spectrum. Where the clip is active, ``J = P H`` is not
symmetric, and the 2-norm of ``I - eta J`` is its largest singular value.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from unlearning.base import checks
from unlearning.curvature import products
from unlearning.problem.objective import Objective

METHODS = ("auto", "dense", "lanczos")
#: Up to this many weights ``auto`` forms the matrix.
DENSE_UP_TO = 256
# Relative residual that an eigenvector must reach; float32 products are not better than this.
_TOLERANCES = {torch.float64: 1e-8, torch.float32: 1e-4}

Multiply = Callable[[torch.Tensor], torch.Tensor]  # [d] -> [d]


class Ends(NamedTuple):
    """Smallest and largest eigenvalue of a symmetric matrix."""

    smallest: float
    largest: float


def hessian_ends(
    objective: Objective,
    w: torch.Tensor,
    inputs: torch.Tensor,
    labels: torch.Tensor,
    *,
    method: str = "auto",
) -> Ends:
    """Smallest and largest eigenvalue of the Hessian of the mean batch objective, penalty included.

    Args:
        objective: loss, model and penalty.
        w: the point, shape ``[d]``.
        inputs: the batch, shape ``[b, ...]``.
        labels: shape ``[b]``.
        method: ``dense`` for all eigenvalues of the matrix, ``lanczos`` on Hessian-vector
            products, or ``auto``: dense up to ``DENSE_UP_TO`` weights.

    Raises:
        ValueError: for an unknown method, weights of another precision than 32 or 64 bits, a
            Hessian that is not finite, or a Lanczos iteration that does not converge.
    """
    point = products.at(objective, w, inputs, labels)
    if _is_dense(method, w):
        values = torch.linalg.eigvalsh(_finite(_dense(point, w))) + objective.l2
        return Ends(float(values[0]), float(values[-1]))
    multiply = _one_by_one(point, objective.l2)
    shift = _shift(multiply, w)
    largest = _largest(lambda v: shift * v + multiply(v), w) - shift
    return Ends(shift - _largest(lambda v: shift * v - multiply(v), w), largest)


def largest_eigenvalue(
    objective: Objective,
    w: torch.Tensor,
    inputs: torch.Tensor,
    labels: torch.Tensor,
    *,
    method: str = "auto",
) -> float:
    """The larger of ``hessian_ends`` alone: of softmax regression a small part of the work.

    Its smallest eigenvalue is the penalty's strength (the same vector added to the weights of all
    classes changes no loss), and the small ones above it are what Lanczos is slow to tell apart.

    Args:
        objective: as for ``hessian_ends``.
        w: as for ``hessian_ends``.
        inputs: as for ``hessian_ends``.
        labels: as for ``hessian_ends``.
        method: as for ``hessian_ends``.

    Raises:
        ValueError: as ``hessian_ends`` does.
    """
    if _is_dense(method, w):
        return hessian_ends(objective, w, inputs, labels, method=method).largest
    multiply = _one_by_one(products.at(objective, w, inputs, labels), objective.l2)
    shift = _shift(multiply, w)
    return _largest(lambda v: shift * v + multiply(v), w) - shift


def step_norm(
    objective: Objective,
    w: torch.Tensor,
    inputs: torch.Tensor,
    labels: torch.Tensor,
    step_size: float,
    *,
    clip_factor: float = 1.0,
    method: str = "auto",
) -> float:
    """2-norm of ``I - eta J``: the most by which a step stretches a small displacement.

    Args:
        objective: loss, model and penalty.
        w: the weights before the step, shape ``[d]``.
        inputs: the batch, shape ``[b, ...]``.
        labels: shape ``[b]``.
        step_size: eta, positive.
        clip_factor: ``min(1, C / |g|)``. Below 1 the clip is active and ``J = P H`` with
            ``P = clip_factor * (I - g g^T / |g|^2)``, g the batch gradient with penalty.
        method: as for ``hessian_ends``.

    Raises:
        ValueError: as ``hessian_ends`` does, and for a step size or clip factor out of its range.
    """
    checks.finite("step_size", step_size, above=0.0)
    if checks.finite("clip_factor", clip_factor, above=0.0) > 1:
        checks.fail("clip_factor", "at most 1", clip_factor)
    if clip_factor == 1.0:
        ends = hessian_ends(objective, w, inputs, labels, method=method)
        return max(abs(1 - step_size * end) for end in ends)
    point = products.at(objective, w, inputs, labels)
    gradient = point.gradient() + objective.l2 * w
    direction = gradient / torch.linalg.vector_norm(gradient)

    def project(v):
        return clip_factor * (v - (v @ direction)[..., None] * direction)

    def curve(v):
        return point.multiply(v) + objective.l2 * v

    if _is_dense(method, w):
        rows = _dense(point, w) + objective.l2 * torch.eye(len(w), dtype=w.dtype, device=w.device)
        matrix = torch.eye(len(w), dtype=w.dtype, device=w.device) - step_size * project(rows).T
        return float(torch.linalg.matrix_norm(_finite(matrix), ord=2))

    def squared(v):  # (I - eta P H)^T (I - eta P H) v
        moved = v[None] - step_size * project(curve(v[None]))
        return (moved - step_size * curve(project(moved)))[0]

    return max(_largest(squared, w), 0.0) ** 0.5


def _is_dense(method: str, w: torch.Tensor) -> bool:
    checks.choice("method", method, METHODS)
    if w.dtype not in _TOLERANCES:
        checks.fail("w", "float32 or float64", w.dtype)
    few = DENSE_UP_TO if method == "auto" else 2  # ARPACK wants more
    return method == "dense" or len(w) <= few


def _dense(point: products.Products, w: torch.Tensor) -> torch.Tensor:
    """The Hessian of the mean batch loss, without penalty: shape ``[d, d]``."""
    return point.multiply(torch.eye(len(w), dtype=w.dtype, device=w.device))


def _finite(matrix: torch.Tensor) -> torch.Tensor:
    if not bool(matrix.isfinite().all()):
        checks.fail("w", "a point at which the Hessian is finite", "NaN or infinity in it")
    return matrix


def _one_by_one(point: products.Products, l2: float) -> Multiply:
    return lambda v: point.multiply(v[None])[0] + l2 * v


def _shift(multiply: Multiply, w: torch.Tensor) -> float:
    """About twice the spectral radius.

    Lanczos stops when the error is small beside the eigenvalue, which never happens at the many
    zeros of a Hessian: this moves them away from zero.
    """
    return 2 * max(_largest(lambda v: multiply(multiply(v)), w, tolerance=0.1), 0.0) ** 0.5


def _largest(multiply: Multiply, w: torch.Tensor, tolerance: float | None = None) -> float:
    """Largest eigenvalue of a positive semidefinite matrix by Lanczos, its residual checked."""
    d, tolerance = len(w), tolerance or _TOLERANCES[w.dtype]
    kind = torch.empty(0, dtype=w.dtype).numpy().dtype

    def apply(v: np.ndarray) -> np.ndarray:
        given = torch.from_numpy(np.ascontiguousarray(v.reshape(-1), dtype=kind))
        return _finite(multiply(given.to(w.device))).cpu().numpy()

    start = np.random.default_rng(0).standard_normal(d).astype(kind)
    if not apply(start).any():
        return 0.0
    operator = LinearOperator((d, d), matvec=apply, dtype=kind)
    try:
        values, vectors = eigsh(operator, k=1, which="LA", v0=start, tol=tolerance / 10)
    except ArpackNoConvergence as error:
        checks.fail("method", "one that converges here, perhaps dense", f"lanczos: {error}")
    value, vector = float(values[0]), vectors[:, 0]
    residual = float(np.linalg.norm(apply(vector) - value * vector))
    if residual > tolerance * abs(value):
        checks.fail("method", f"a relative residual of at most {tolerance:g}, perhaps by dense",
                    f"lanczos with {residual / abs(value):.1e}")  # fmt: skip
    return value
