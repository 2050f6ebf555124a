"""A set of weights, named by their numbers in the flat vector."""

from typing import Any

import torch

from unlearning.base import checks


def coordinates(argument: str, values: Any, w: torch.Tensor) -> torch.Tensor:
    """Return ``values`` as distinct numbers of weights, on the device of ``w [d]``; None is all.

    Args:
        argument: the name that an error shows.
        values: whole numbers (a list or an index tensor), or None.
        w: the weights.

    Returns:
        Shape ``[k]``, in the order given.

    Raises:
        ValueError: if it is empty, or holds something fractional, negative, out of range or twice.
    """
    if values is None:
        return torch.arange(len(w), device=w.device)
    wanted = f"numbers of weights from 0 to {len(w) - 1}, each once and at least one"
    try:
        numbers = torch.as_tensor(values, device=w.device)
    except (TypeError, ValueError, RuntimeError):
        checks.fail(argument, wanted, f"a {type(values).__name__} of other things")
    kind = numbers.dtype
    if numbers.ndim != 1 or len(numbers) == 0 or kind == torch.bool or kind.is_floating_point:
        checks.fail(argument, wanted, f"{kind} of shape {list(numbers.shape)}")
    low, high = int(numbers.min()), int(numbers.max())
    if low < 0 or high >= len(w):
        checks.fail(argument, wanted, low if low < 0 else high)
    if len(numbers.unique()) < len(numbers):
        checks.fail(argument, wanted, "one of them more than once")
    return numbers.to(torch.int64)
