"""A set of weights, however it is given, as the places it holds in the flat vector."""

import torch

from unlearning.base import checks


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
    if given.numel() == 0:
        checks.fail("select", "at least one weight", "none")
    wanted = f"a bool mask [{d}], or distinct integers from 0 to {d - 1}"
    if given.ndim != 1 or given.is_floating_point() or given.is_complex():
        checks.fail("select", wanted, f"{given.dtype} of shape {list(given.shape)}")
    places = given.to(torch.int64).sort().values
    if int(places[0]) < 0 or int(places[-1]) >= d:
        checks.fail("select", wanted, f"integers from {int(places[0])} to {int(places[-1])}")
    twice = places[1:][places[1:] == places[:-1]]
    if len(twice):
        checks.fail("select", "each weight once", f"weight {int(twice[0])} more than once")
    return places


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
