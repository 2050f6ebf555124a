"""Which devices and dtypes there are."""

from typing import Any

import torch

from unlearning.base import checks


def device(argument: str, value: Any) -> torch.device:
    """Return the device of that name, if this machine has it.

    Raises:
        ValueError: if it has not; the message gives PyTorch's reason.
    """
    try:
        found = torch.device(value)
        torch.empty(0, device=found)
    except (RuntimeError, TypeError, AssertionError) as error:  # PyTorch has no one kind for it
        reason = (str(error).splitlines() or ["no such device"])[0]
        checks.fail(argument, "a device of this machine, such as cpu", f"{value!r} ({reason})")
    return found


def real(argument: str, value: Any) -> torch.dtype:
    """Return a dtype of real numbers.

    Raises:
        ValueError: if it is none.
    """
    if not isinstance(value, torch.dtype) or not value.is_floating_point:
        checks.fail(argument, "a dtype of real numbers, such as torch.float64", repr(value))
    return value
