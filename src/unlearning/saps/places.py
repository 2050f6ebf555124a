"""A set of weights, however it is given, as the places it holds in the flat vector."""

import torch

from unlearning.base import checks
from unlearning.curvature.coordinates import coordinates


def chosen_places(select, d: int) -> torch.Tensor:
    """The places of S among ``d`` weights, rising, shape ``[|S|]``, int64, on the CPU.

    Args:
        select: None for all weights, a bool mask ``[d]``, or distinct integers in ``0..d-1``
            (tensor, array or list).
        d: number of weights.

    Raises:
        ValueError: if it is nothing of the kind, empty, out of range, or holds a place twice.
    """
    if select is None:
        return torch.arange(d)
    given = _as_tensor(select)
    if given.dtype == torch.bool:
        return _of_mask(given, d)
    return coordinates("select", given, d, also=f"a bool mask [{d}], or ").sort().values


def mask(argument: str, value, d: int) -> torch.Tensor:
    """Return ``value`` as a bool mask ``[d]`` on the CPU.

    Raises:
        ValueError: if it is none.
    """
    given = torch.as_tensor(value)
    if given.dtype != torch.bool or given.shape != (d,):
        checks.fail(argument, f"a bool mask [{d}]", f"{given.dtype} of shape {list(given.shape)}")
    return given.cpu()


def _as_tensor(select) -> torch.Tensor:
    try:
        return torch.as_tensor(select).cpu()
    except (TypeError, ValueError, RuntimeError):
        checks.fail("select", "a bool mask or integers", repr(select))


def _of_mask(given: torch.Tensor, d: int) -> torch.Tensor:
    places = mask("select", given, d).nonzero()[:, 0]
    if len(places) == 0:
        checks.fail("select", "at least one weight", "none")
    return places
