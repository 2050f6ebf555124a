"""Argument checks: each error names the argument, what was expected and what came."""

import math
from collections.abc import Collection, Iterable
from numbers import Integral, Real
from typing import Any, NoReturn


def fail(argument: str, expected: str, given: Any) -> NoReturn:
    """Raise the one form of argument error this library knows.

    Raises:
        ValueError: always, as ``argument: expected ..., got ...``.
    """
    raise ValueError(f"{argument}: expected {expected}, got {given}")


def finite(argument: str, value: Any, *, above: float | None = None, least: float | None = None):
    """Return ``value`` if it is a finite real number above or at least a limit.

    Raises:
        ValueError: if it is not.
    """
    wanted = "a finite number"
    wanted += "" if above is None else f" above {above:g}"
    wanted += "" if least is None else f" of at least {least:g}"
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value):
        fail(argument, wanted, repr(value))
    if (above is not None and value <= above) or (least is not None and value < least):
        fail(argument, wanted, repr(value))
    return value


def integer(argument: str, value: Any, *, least: int, most: int | None = None, note: str = ""):
    """Return ``value`` as ``int`` if it is a whole number in ``least..most``.

    Raises:
        ValueError: if it is not; ``note`` says where the limit comes from.
    """
    limits = f"of at least {least}" if most is None else f"from {least} to {most}"
    is_integer = isinstance(value, Integral) and not isinstance(value, bool)
    if not is_integer or value < least or (most is not None and value > most):
        fail(argument, f"an integer {limits}{note}", repr(value))
    return int(value)


def choice(argument: str, value: Any, known: Collection[str]):
    """Return ``value`` if it is one of the known names.

    Raises:
        ValueError: if it is not; the message lists the known names.
    """
    if not isinstance(value, str) or value not in known:
        fail(argument, f"one of {', '.join(known)}", repr(value))
    return value


def indices(argument: str, values: Any, n: int) -> list[int]:
    """Return ``values`` as a list of distinct sample numbers in ``0..n-1``, in the order given.

    Raises:
        ValueError: if it is empty, or holds something fractional, negative, out of range or twice.
    """
    if hasattr(values, "tolist"):  # tensors and arrays
        values = values.tolist()
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        fail(argument, "a list of sample numbers", repr(values))
    numbers = [integer(argument, v, least=0, most=n - 1, note=" (a sample)") for v in values]
    if not numbers:
        fail(argument, "at least one sample", "an empty list")
    if len(set(numbers)) != len(numbers):
        twice = next(v for v in numbers if numbers.count(v) > 1)
        fail(argument, "each sample once", f"sample {twice} more than once")
    return numbers


def forget_set(argument: str, values: Any, n: int) -> list[int]:
    """Return ``values`` as a valid set to delete from ``n`` samples: distinct, not empty, not all.

    Raises:
        ValueError: if it is not one.
    """
    numbers = indices(argument, values, n)
    if len(numbers) == n:
        fail(argument, f"fewer than all {n} samples", f"all {n}: nothing would be left to learn")
    return numbers
