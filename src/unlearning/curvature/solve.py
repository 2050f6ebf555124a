"""Linear systems with a damped Hessian: by Cholesky, or by conjugate gradients on products."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import torch
from scipy.sparse.linalg import LinearOperator, cg

from unlearning.base import checks
from unlearning.curvature.system import System

SOLVERS = ("dense", "cg")


class UnsolvedError(ValueError):
    """A system that has no solution to be trusted; the message says why and what may help."""


@dataclass(frozen=True, eq=False)
class Solution:
    """The solution of one system, or of several with the same matrix.

    Attributes:
        x: shape ``[d]`` or ``[K, d]``, as the right side was.
        residual: ``|b - A x| / |b|``, computed anew after solving; the largest of the K.
        iterations: of conjugate gradients, all K together; 0 for the dense solver.
        products: products of the matrix with one vector that were taken, those that wrote the
            matrix out and those that checked the residual included.
    """

    x: torch.Tensor
    residual: float
    iterations: int
    products: int


def solve(
    system: System,
    b: torch.Tensor,
    *,
    solver: str = "dense",
    rtol: float = 1e-10,
    maxiter: int = 1000,
) -> Solution:
    """Solve ``A x = b`` for a positive definite A.

    Args:
        system: the matrix, and the precision that is computed in.
        b: shape ``[d]``, or ``[K, d]`` for K right sides.
        solver: ``dense`` writes A out (d products, d^2 numbers) and factors it (d^3/3
            multiplications); ``cg`` needs products alone. SciPy iterates, on the CPU; the products
            are taken where the weights are.
        rtol: of ``cg``: the largest ``|b - A x| / |b|``.
        maxiter: of ``cg``: the most iterations for each right side.

    Returns:
        x, in the system's dtype, and what it cost.

    Raises:
        UnsolvedError: (a ``ValueError``) if A turns out not to be positive definite, naming the
            damping that would make it so or a lower bound of it; or if the residual, computed
            anew, is too large.
        ValueError: for arguments of another form.
    """
    checks.choice("solver", solver, SOLVERS)
    checks.finite("rtol", rtol, above=0.0)
    checks.integer("maxiter", maxiter, least=1)
    sides = right_sides(b, system.rows.w)
    before = system.products
    if solver == "dense":
        return Factor(system.dense()).solve(b, products=system.products - before)
    solved = [_conjugate_gradients(system, side, rtol, maxiter) for side in sides]
    x = torch.stack([x for x, _, _ in solved]).reshape(b.shape)
    worst, iterations = max(r for _, r, _ in solved), sum(count for *_, count in solved)
    return Solution(x, worst, iterations, system.products - before)


def right_sides(b: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """``b`` as ``[K, d]`` in the dtype and on the device of the weights ``like [d]``.

    Raises:
        ValueError: if it has another shape, or is not finite.
    """
    d = len(like)
    if b.ndim not in (1, 2) or b.shape[-1] != d or len(b) == 0:
        checks.fail("b", f"shape [{d}] or [K, {d}]", list(b.shape))
    if not bool(b.isfinite().all()):
        checks.fail("b", "finite numbers", "NaN or infinity among them")
    return b.reshape(-1, d).to(like)


class Factor:
    """A positive definite matrix with its Cholesky factor: each further solution costs d^2.

    Args:
        matrix: symmetric, shape ``[d, d]``.

    Raises:
        UnsolvedError: if it is not positive definite; with its smallest eigenvalue.
    """

    def __init__(self, matrix: torch.Tensor):
        self.matrix = matrix
        self.lower, failed = torch.linalg.cholesky_ex(matrix)
        if failed:
            raise UnsolvedError(_indefinite(matrix))

    def solve(self, b: torch.Tensor, *, products: int = 0) -> Solution:
        """Solve for ``b``, ``[d]`` or ``[K, d]``; ``products`` is what the matrix has cost.

        Raises:
            UnsolvedError: if the residual exceeds the root of the machine precision.
        """
        sides = right_sides(b, self.matrix[0])
        x = torch.cholesky_solve(sides.T, self.lower).T
        residual = max(map(_relative, sides - x @ self.matrix, sides))
        limit = torch.finfo(x.dtype).eps ** 0.5
        if not residual <= limit:
            raise UnsolvedError(
                f"damping: expected one with which the residual falls below {limit:.1e}, "
                f"got {residual:.1e}: the matrix is too close to singular, add more"
            )
        return Solution(x.reshape(b.shape), residual, 0, products)


def least_damping(attempt: Callable[[float], object], candidates) -> tuple[float, object]:
    """The smallest damping with which something can be solved.

    Args:
        attempt: called with a damping, until it raises no ``UnsolvedError``.
        candidates: dampings to try; they are tried in rising order.

    Returns:
        The damping, and what ``attempt`` returned for it.

    Raises:
        UnsolvedError: that of the largest candidate, if none will do.
        ValueError: if there are no candidates.
    """
    candidates = sorted(checks.finite("candidates", value, least=0.0) for value in candidates)
    if not candidates:
        checks.fail("candidates", "at least one damping", "none")
    for damping in candidates[:-1]:
        try:
            return damping, attempt(damping)
        except UnsolvedError:
            continue
    return candidates[-1], attempt(candidates[-1])


def _indefinite(matrix: torch.Tensor) -> str:
    values = matrix.double().cpu().numpy()
    (smallest,) = scipy.linalg.eigh(values, eigvals_only=True, subset_by_index=[0, 0])
    # A factor that is computed needs eigenvalues above rounding, too.
    rounding = len(matrix) * torch.finfo(matrix.dtype).eps * float(torch.linalg.norm(matrix))
    return (
        "damping: expected one that makes the matrix positive definite, but its smallest "
        f"eigenvalue is {smallest:.3g}: {_rounded_up(rounding - smallest)} more will do"
    )


def _rounded_up(number: float) -> str:
    """Two digits that are not below the number."""
    return f"{1.06 * number:.1e}"


def _relative(difference: torch.Tensor, side: torch.Tensor) -> float:
    norm = torch.linalg.vector_norm(side)
    return float(torch.linalg.vector_norm(difference) / norm) if norm else 0.0


class _Operator:
    """A system as SciPy wants it, which notices directions of negative curvature."""

    def __init__(self, system: System):
        self.system, w = system, system.rows.w
        self.dtype = np.float64 if w.dtype == torch.float64 else np.float32
        shape = (len(w), len(w))
        self.linear = LinearOperator(shape, matvec=self.multiply, dtype=self.dtype)

    def multiply(self, vector: np.ndarray) -> np.ndarray:
        vector = np.ascontiguousarray(vector, dtype=self.dtype).reshape(-1)
        moved = torch.from_numpy(vector)[None].to(self.system.rows.w)
        product = self.system.multiply(moved)[0].cpu().numpy()
        curvature, length = float(vector @ product), float(vector @ vector)
        if not curvature > 0 and length > 0:
            raise UnsolvedError(
                "damping: expected one that makes the matrix positive definite, but along a "
                f"direction its curvature is {curvature / length:.3g}: more than "
                f"{abs(curvature / length):.3g} more is needed, or curvature='ggn'"
            )
        return product


def _conjugate_gradients(system: System, side: torch.Tensor, rtol: float, maxiter: int):
    """``(x, residual, iterations)`` for one right side ``[d]``.

    The residual that the iteration keeps drifts from the true one. So the true one is computed when
    it stops, and it starts again from there for as long as that helps.
    """
    operator, b = _Operator(system), side.cpu().numpy()
    norm, x = float(np.linalg.norm(b)), np.zeros_like(b)
    residual, count, before = (1.0 if norm else 0.0), 0, np.inf

    def counted(_):
        nonlocal count
        count += 1

    while residual > rtol and count < maxiter and residual < before / 2:
        before = residual
        x, _ = cg(operator.linear, b, x, rtol=rtol, maxiter=maxiter - count, callback=counted)
        residual = float(np.linalg.norm(b - operator.multiply(x))) / norm
    if not residual <= rtol:
        spent = count >= maxiter
        name, advice = ("maxiter", "allow more") if spent else ("rtol", "allow a larger one")
        raise UnsolvedError(
            f"{name}: expected a residual of at most {rtol:g} within {maxiter} iterations, got "
            f"{residual:.2e} after {count}: {advice}, or add damping"
        )
    return torch.from_numpy(x).to(side), residual, count
