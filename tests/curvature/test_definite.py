"""Matrices that are singular but for rounding."""

import pytest
import torch

from unlearning.curvature.definite import solve_definite
from unlearning.curvature.solve import Factor, UnsolvedError


def with_eigenvalues(values, seed=0):
    generator = torch.Generator().manual_seed(seed)
    d = len(values)
    basis = torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=torch.float64))[0]
    matrix = (basis * torch.tensor(values, dtype=torch.float64)) @ basis.T
    return (matrix + matrix.T) / 2, basis


@pytest.mark.parametrize("seed", range(50))
def test_a_singular_matrix_is_refused_whichever_way_rounding_fell(seed):
    matrix, basis = with_eigenvalues([3.0, 2.0, 1.0, 0.5, 0.0], seed)
    with pytest.raises(UnsolvedError, match="damping: expected one that makes the matrix positive"):
        solve_definite(matrix, matrix @ basis[:, 1])


def test_what_the_factor_alone_would_let_through():
    """A right side in the range: a small residual, and an arbitrary part along the kernel."""
    blocks = torch.ones(2, 2, dtype=torch.float64)
    blocks[1, 1] += 2**-52
    found = Factor(blocks).solve(torch.ones(2, dtype=torch.float64))
    assert found.residual < 1e-12
    with pytest.raises(UnsolvedError, match="smallest eigenvalue is about 1.1e-16 and"):
        solve_definite(blocks, torch.ones(2, dtype=torch.float64))


def test_small_eigenvalues_above_rounding_are_no_offence():
    matrix, basis = with_eigenvalues([3.0, 2.0, 1.0, 0.5, 1e-6])
    found = solve_definite(matrix, basis.sum(1), products=7)
    expected = basis @ torch.tensor([1 / 3, 0.5, 1.0, 2.0, 1e6], dtype=torch.float64)
    torch.testing.assert_close(found.x, expected, rtol=1e-7, atol=0)
    assert found.products == 7
