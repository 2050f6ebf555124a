"""A set of weights, named by their numbers in the flat vector."""

from typing import Any

import torch

from unlearning.base import checks


def coordinates(argument: str, values: Any, d: int, device="cpu", *, also="") -> torch.Tensor:
    """Return ``values`` as distinct numbers of d weights; None is all.

    Args:
        argument: the name that an error shows.
        values: whole numbers (a list or an index tensor), or None.
        d: how many weights there are.
        device: where the result goes.
        also: what else the caller takes, as an error says it.

    Returns:
        Shape ``[k]``, in the order given.

    Raises:
        ValueError: if it is empty, or holds something fractional, negative, out of range or twice.
    """
    if values is None:
        return torch.arange(d, device=device)
    wanted = f"{also}distinct numbers of weights from 0 to {d - 1}"
    try:
        numbers = torch.as_tensor(values, device=device)
    except (TypeError, ValueError, RuntimeError):
        checks.fail(argument, wanted, f"a {type(values).__name__} of other things")
    if numbers.numel() == 0:
        checks.fail(argument, wanted, "none")
    kind = numbers.dtype
    whole = not (kind == torch.bool or kind.is_floating_point or kind.is_complex)
    if numbers.ndim != 1 or not whole:
        checks.fail(argument, wanted, f"{kind} of shape {list(numbers.shape)}")
    low, high = int(numbers.min()), int(numbers.max())
    if low < 0 or high >= d:
        checks.fail(argument, wanted, f"numbers from {low} to {high}")
    found, counts = numbers.unique(return_counts=True)
    if len(found) < len(numbers):
        checks.fail(argument, wanted, f"weight {int(found[counts > 1][0])} more than once")
    return numbers.to(torch.int64)
