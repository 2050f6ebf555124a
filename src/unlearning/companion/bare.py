"""The bare operations that deletion requests consist of, in any size, to be timed."""

from pathlib import Path

import numpy as np
import torch

from unlearning.base.timing import Way

_ENOUGH = 3 * 10**7  # numbers to be added, so that there is something to time


def addition(d: int) -> Way:
    """Adding a vector of d numbers, in memory."""
    w, a = 1e-3 * torch.randn(2, d, generator=torch.Generator().manual_seed(0))
    many = max(1, _ENOUGH // d)
    return Way(lambda: [w.add_(a) for _ in range(many)], count=many)


def addition_from_file(d: int, path: Path) -> Way:
    """Reading a vector of d numbers from a file, which is written now, and adding it."""
    w = torch.zeros(d)
    np.ones(d, dtype=np.float32).tofile(path)
    return Way(lambda: w.add_(torch.from_numpy(np.fromfile(path, dtype=np.float32))))


def factor_and_solve(d: int) -> Way:
    """A Cholesky factor of a ``d x d`` matrix, and one solution: a Newton step from its matrix."""
    matrix, b = _system(d)
    return Way(lambda: torch.cholesky_solve(b, torch.linalg.cholesky(matrix)))


def solve(d: int) -> Way:
    """One solution from a Cholesky factor: a jackknife."""
    matrix, b = _system(d)
    lower = torch.linalg.cholesky(matrix)
    return Way(lambda: torch.cholesky_solve(b, lower))


def _system(d: int) -> tuple[torch.Tensor, torch.Tensor]:
    some = torch.randn(d, 32, generator=torch.Generator().manual_seed(0))
    return torch.eye(d) + some @ some.T / 32, torch.ones(d, 1)
