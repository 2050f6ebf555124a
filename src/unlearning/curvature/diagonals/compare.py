"""How far one diagonal is from another, in size and in order."""

import torch

from unlearning.base import checks


def relative_error(estimate: torch.Tensor, exact: torch.Tensor) -> float:
    """``|estimate - exact| / |exact|`` in the 2-norm, for vectors ``[d]``.

    Raises:
        ValueError: if the shapes differ, or ``exact`` is zero.
    """
    _check_alike(estimate, exact)
    size = float(torch.linalg.vector_norm(exact.double()))
    if size == 0:
        checks.fail("exact", "a vector that is not zero", "zeros")
    return float(torch.linalg.vector_norm(estimate.double() - exact.double())) / size


def top_overlap(estimate: torch.Tensor, exact: torch.Tensor, k: int) -> float:
    """Share of the k largest entries of ``exact [d]`` that are among those of ``estimate [d]``.

    Among equal entries those with lower numbers count as larger. Chosen by chance, the share would
    be ``k / d``.

    Raises:
        ValueError: if the shapes differ, or ``k`` is not in ``1..d``.
    """
    _check_alike(estimate, exact)
    k = checks.integer("k", k, least=1, most=len(exact), note=" (d)")
    chosen = [values.argsort(descending=True, stable=True)[:k] for values in (estimate, exact)]
    return int(torch.isin(*chosen).sum()) / k


def _check_alike(estimate: torch.Tensor, exact: torch.Tensor) -> None:
    if exact.ndim != 1 or estimate.shape != exact.shape:
        checks.fail("estimate", f"the shape of exact, {list(exact.shape)}", list(estimate.shape))
