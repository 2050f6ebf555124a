"""From Hessian-vector products alone: with unit vectors exactly, with random ones about."""

import torch

from unlearning.base import checks
from unlearning.curvature.diagonals.task import Found, Task
from unlearning.curvature.kernels.memory import chunk_within
from unlearning.curvature.system import System
from unlearning.problem.objective import Objective

# What vectors and their products may take together.
_CHUNK_BYTES = 2**26
_LARGEST_CHUNK = 512


def check(objective: Objective, method: str) -> None:
    """Nothing to refuse: every objective has such products."""


def units(task: Task) -> Found:
    """The entries that are wanted, exactly: a product with the unit vector of each."""
    system = task.system()
    w = system.rows.w
    out = torch.zeros_like(w)
    for part in task.indices.split(_chunk(w)):
        place = torch.arange(len(part), device=w.device)
        vectors = torch.zeros(len(part), len(w), dtype=w.dtype, device=w.device)
        vectors[place, part] = 1.0
        out[part] = system.multiply(vectors)[place, part]
    return Found(out, products=system.products)


def hutchinson(task: Task) -> Found:
    """Mean over random signs v of ``v * (H v)`` (Bekas, Kokiopoulou and Saad 2007).

    Entry i is unbiased, with variance ``(|H_i|^2 - H_ii^2) / probes`` for row ``H_i``.
    """
    system, generator = task.system(), task.generator()
    total, chunk = torch.zeros_like(system.rows.w), _chunk(system.rows.w)
    for start in range(0, task.probes, chunk):
        signs = _signs(min(chunk, task.probes - start), system, generator)
        total += (signs * system.multiply(signs)).sum(0)
    return Found(total / task.probes, products=system.products)


def xdiag(task: Task) -> Found:
    """XDiag of Epperly, Tropp and Webber (2024): two products a probe.

    The products with random signs ``Y = H V`` span a space in which H is known after as many
    products again; Hutchinson's estimator is left with the rest. The space for probe i is spanned
    by the OTHER probes, so that it knows nothing of v_i, and the mean over i is unbiased. Exact
    where the rank of H is below the number of probes.
    """
    system = task.system()
    checks.integer("probes", task.probes, least=1, most=system.dimension, note=" (d)")
    v = _signs(task.probes, system, task.generator())
    basis, r = torch.linalg.qr(system.multiply(v).T)
    image = system.multiply(basis.T.contiguous()).T
    # Column i of s: the direction within the basis that the other probes leave out.
    s = _without_each(r)
    left_out, kept = basis @ s, (basis * image).sum(1)
    rest = v.T * left_out * (s * r).sum(0) - left_out * (image @ s)
    return Found(kept + rest.mean(1), products=system.products)


def _without_each(r: torch.Tensor) -> torch.Tensor:
    """Unit vectors, column i orthogonal to all columns of ``r [k, k]`` but the i-th.

    They are the columns of the transposed inverse. Where r is singular, its inverse is that of a
    neighbour within rounding, in which the directions that no column reaches outweigh all others.
    """
    u, sizes, vt = torch.linalg.svd(r)
    least = sizes[0] * torch.finfo(r.dtype).eps
    if not bool(sizes[0] > 0):  # no curvature at all
        return torch.eye(len(r), dtype=r.dtype, device=r.device)
    inverse = (u / sizes.clamp(min=least)) @ vt
    return inverse / torch.linalg.vector_norm(inverse, dim=0)


def _chunk(w: torch.Tensor) -> int:
    return chunk_within(_CHUNK_BYTES, 2 * w.nbytes, _LARGEST_CHUNK)


def _signs(count: int, system: System, generator: torch.Generator) -> torch.Tensor:
    """Random signs ``[count, d]``: one vector after the other, however many are asked for."""
    w = system.rows.w
    rows = [torch.randint(0, 2, (len(w),), generator=generator) for _ in range(count)]
    return 2 * torch.stack(rows).to(w) - 1
