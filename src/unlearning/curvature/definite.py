"""Solutions with a matrix that is positive definite beyond rounding."""

import torch

from unlearning.curvature.solve import Factor, Solution, UnsolvedError


def solve_definite(matrix: torch.Tensor, b: torch.Tensor, *, products: int = 0) -> Solution:
    """Solve with a dense matrix, and refuse one that is singular but for rounding.

    Rounding may let a singular matrix pass through a Cholesky factorisation. If b lies in its
    range, the residual is small all the same, and the solution arbitrary along the directions
    without curvature.

    Args:
        matrix: symmetric, shape ``[d, d]``.
        b: shape ``[d]``.
        products: what the matrix has cost.

    Raises:
        UnsolvedError: naming the damping.
    """
    factor = Factor(matrix)
    smallest, size = _smallest_eigenvalue(factor), float(torch.linalg.matrix_norm(matrix))
    rounding = 10 * torch.finfo(matrix.dtype).eps * size
    if not smallest > rounding:
        raise UnsolvedError(
            "damping: expected one that makes the matrix positive definite beyond rounding, but "
            f"its smallest eigenvalue is about {smallest:.1e} and its norm {size:.1e}"
        )
    return factor.solve(b, products=products)


def _smallest_eigenvalue(factor: Factor) -> float:
    """By inverse iteration, which three steps settle where it lies far below all others.

    Not by the smallest pivot: that of a singular matrix may be far above rounding.
    """
    start = torch.randn(len(factor.matrix), 1, generator=torch.Generator().manual_seed(0))
    vector, growth = start.to(factor.matrix), 1.0
    for _ in range(3):
        vector = vector / torch.linalg.vector_norm(vector)
        vector = torch.cholesky_solve(vector, factor.lower)
        growth = float(torch.linalg.vector_norm(vector))
    return 1 / growth
