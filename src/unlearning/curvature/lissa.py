"""LiSSA: a linear system by a fixed-point iteration on Hessian-vector products.

Published (Koh and Liang 2017; Warnecke et al. 2023) with a scale sigma and a damping delta::

    u_0 = b,    u <- b + (1 - delta) u - (H u) / sigma,    x = u / sigma

Where it converges, it converges to ``(H + sigma delta I)^{-1} b``: the damping that counts is
``sigma * delta``. Here that number is the damping of the system itself, ``A = H + sigma delta I``,
so that all solvers answer one question, and the same iteration reads ``x <- x + (b - A x)/sigma``.
It converges for every b only while ``|I - A / sigma| = |(1 - delta) I - H / sigma| < 1``, that is,
while all eigenvalues of A lie between 0 and ``2 sigma``.
"""

import numpy as np
import torch
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

from unlearning.base import checks
from unlearning.curvature.restricted import Restricted
from unlearning.curvature.solve import Solution, UnsolvedError, right_sides
from unlearning.curvature.spectrum import DENSE_UP_TO, Ends
from unlearning.curvature.system import System


def lissa(
    system: System | Restricted,
    b: torch.Tensor,
    *,
    scale: float | None = None,
    rtol: float = 1e-10,
    maxiter: int = 1000,
) -> Solution:
    """Solve ``A x = b`` by LiSSA over all samples at once, without drawing batches of them.

    Args:
        system: A; its damping is ``sigma * delta`` of the published iteration.
        b: shape ``[d]``.
        scale: sigma, above half the largest eigenvalue of A; that eigenvalue by default.
        rtol: the largest ``|b - A x| / |b|``.
        maxiter: the most iterations. With a condition number c it takes about ``c ln(1/rtol)`` of
            them where conjugate gradients take ``sqrt(c)/2 ln(2/rtol)``.

    Returns:
        x, in the system's dtype, and what it cost; the products of the check are counted, too.

    Raises:
        UnsolvedError: (a ``ValueError``) if the iteration would not converge for every b (the
            message names scale or damping), or has not after ``maxiter`` iterations.
        ValueError: for arguments of another form.
    """
    checks.finite("rtol", rtol, above=0.0)
    checks.integer("maxiter", maxiter, least=1)
    side = right_sides(b, system.rows.w)
    if len(side) != 1:
        checks.fail("b", "one right side for LiSSA", f"{len(side)}")
    before, ends = system.products, matrix_ends(system)
    scale = _checked_scale(scale, ends, system)
    x, residual, count = _iterated(system, side, scale, rtol, maxiter)
    if not residual <= rtol:
        raise UnsolvedError(
            f"maxiter: expected a residual of at most {rtol:g} within {maxiter} iterations of "
            f"LiSSA, got {residual:.2e} after {count}: allow more, or add damping"
        )
    return Solution(x.reshape(b.shape), residual, count, system.products - before)


def _iterated(system, side: torch.Tensor, scale: float, rtol: float, maxiter: int):
    """``(x, residual, iterations)`` for ``side [1, d]``; the residual is that of x itself."""
    norm, x, count = float(torch.linalg.vector_norm(side)), side / scale, 0
    if norm == 0:
        return x, 0.0, 0
    while True:
        remainder = side - system.multiply(x)
        residual = float(torch.linalg.vector_norm(remainder)) / norm
        if residual <= rtol or count == maxiter:
            return x, residual, count
        x, count = x + remainder / scale, count + 1


def _checked_scale(scale: float | None, ends: Ends, system) -> float:
    """Sigma, if with it the iteration converges for every right side.

    Raises:
        UnsolvedError: if not.
    """
    rounding = 100 * torch.finfo(system.rows.w.dtype).eps * abs(ends.largest)
    if ends.smallest <= rounding:
        raise UnsolvedError(
            "damping: expected one that makes the matrix positive definite, without which LiSSA "
            f"does not converge, but its smallest eigenvalue is {ends.smallest:.3g}: "
            f"more than {rounding - ends.smallest:.2g} more is needed"
        )
    if scale is None:
        return ends.largest
    scale = checks.finite("scale", scale, above=0.0)
    if ends.largest >= 2 * scale:
        raise UnsolvedError(
            "scale: expected one above half the largest eigenvalue of the damped matrix, "
            f"{ends.largest / 2:.4g}, with which |(1 - delta) I - H / scale| < 1, got {scale:g}"
        )
    return scale


def matrix_ends(system: System | Restricted) -> Ends:
    """Smallest and largest eigenvalue of a system's matrix: dense for few weights, else Lanczos.

    Raises:
        UnsolvedError: if Lanczos does not converge.
    """
    if system.dimension <= DENSE_UP_TO:
        values = torch.linalg.eigvalsh(system.dense())
        return Ends(float(values[0]), float(values[-1]))
    largest = _end(system, "LA", 0.0)
    # Lanczos compares errors with the eigenvalue, so an end near 0 is moved away from it.
    return Ends(_end(system, "SA", largest) + largest, largest)


def _end(system, which: str, shift: float) -> float:
    """One end of the spectrum of ``A - shift I``."""
    w = system.rows.w
    kind, tolerance = (np.float64, 1e-6) if w.dtype == torch.float64 else (np.float32, 1e-4)

    def apply(vector: np.ndarray) -> np.ndarray:
        given = torch.from_numpy(np.ascontiguousarray(vector.reshape(-1), dtype=kind)).to(w)
        return (system.multiply(given[None])[0] - shift * given).cpu().numpy()

    start = np.random.default_rng(0).standard_normal(len(w)).astype(kind)
    operator = LinearOperator((len(w), len(w)), matvec=apply, dtype=kind)
    try:
        (value,) = eigsh(
            operator, 1, which=which, v0=start, tol=tolerance, return_eigenvectors=False
        )
    except ArpackNoConvergence as error:
        known = "solver: expected one that needs no eigenvalues here, got 'lissa'"
        raise UnsolvedError(f"{known}: {error}") from error
    return float(value)
