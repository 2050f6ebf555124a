"""Argument checks: each error names the argument, what was expected and what came."""

import math
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from numbers import Integral, Real
from pathlib import Path
from typing import Any, NoReturn


def fail(argument: str, expected: str, given: Any) -> NoReturn:
    """Raise the one form of argument error this library knows.

    Raises:
        ValueError: always, as ``argument: expected ..., got ...``.
    """
    raise ValueError(f"{argument}: expected {expected}, got {given}")


def finite(argument: str, value: Any, *, above: float | None = None, least: float | None = None):
    """Return ``value`` as ``float`` if it is a finite real number above or at least a limit.

    Raises:
        ValueError: if it is not.
    """
    wanted = "a finite number"
    wanted += "" if above is None else f" above {above:g}"
    wanted += "" if least is None else f" of at least {least:g}"
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    try:
        if not is_number or not math.isfinite(value):
            fail(argument, wanted, repr(value))
    except OverflowError:  # an integer beyond all floats
        fail(argument, wanted, "a larger one")
    if (above is not None and value <= above) or (least is not None and value < least):
        fail(argument, wanted, repr(value))
    return float(value)


def integer(argument: str, value: Any, *, least: int, most: int | None = None, note: str = ""):
    """Return ``value`` as ``int`` if it is a whole number in ``least..most``.

    Raises:
        ValueError: if it is not; the message has ``note`` behind the limits.
    """
    limits = f"of at least {least}" if most is None else f"from {least} to {most}"
    is_integer = isinstance(value, Integral) and not isinstance(value, bool)
    if not is_integer or value < least or (most is not None and value > most):
        fail(argument, f"an integer {limits}{note}", repr(value))
    return int(value)


def boolean(argument: str, value: Any) -> bool:
    """Return ``value`` if it is True or False; nothing else counts as one of them.

    Raises:
        ValueError: if it is not.
    """
    if not isinstance(value, bool):
        fail(argument, "True or False", repr(value))
    return value


def instance(argument: str, value: Any, kind: type, words: str):
    """Return ``value`` if it is an instance of ``kind``, which an error describes as ``words``.

    Raises:
        ValueError: if it is not; the message names its type.
    """
    if not isinstance(value, kind):
        fail(argument, words, type(value).__name__)
    return value


def choice(argument: str, value: Any, known: Collection[str]):
    """Return ``value`` if it is one of the known names.

    Raises:
        ValueError: if it is not; the message lists the known names.
    """
    if not isinstance(value, str) or value not in known:
        fail(argument, f"one of {', '.join(known)}", repr(value))
    return value


def listed(argument: str, values: Any, words: str) -> list:
    """Return ``values`` (a list, tuple, tensor or the like) as a list.

    Raises:
        ValueError: if it is nothing of the kind; the message expects ``words``.
    """
    if hasattr(values, "tolist"):  # tensors and arrays
        values = values.tolist()
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        fail(argument, words, repr(values))
    return list(values)


def indices(argument: str, values: Any, n: int) -> list[int]:
    """Return ``values`` as a list of distinct sample numbers in ``0..n-1``, in the order given.

    Raises:
        ValueError: if it is empty, or holds something fractional, negative, out of range or twice.
    """
    values = listed(argument, values, "a list of sample numbers")
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


def path(argument: str, value: Any) -> Path:
    """Return ``value`` as a path.

    Raises:
        ValueError: if it is neither a string nor a path.
    """
    if not isinstance(value, str | Path):
        fail(argument, "a path", repr(value))
    return Path(value)


def folder(argument: str, value: Any, *, make: bool = True) -> Path:
    """Return the path of a folder that can be written to.

    Args:
        argument: the name that an error shows.
        value: a path; the folder and its parents are made if they are missing.
        make: whether to. If not, the folder is not touched: it may be missing, and a folder that is
            finished may lie where nothing can be written.

    Raises:
        ValueError: if it is no path, or the system refuses: something else in its place or in that
            of a parent, a name too long, no permission. The message gives the system's reason.
    """
    place = path(argument, value)
    try:
        if make:
            place.mkdir(parents=True, exist_ok=True)
        with os.scandir(place):
            pass
    except (OSError, ValueError) as error:  # ValueError: a null character
        if make or not isinstance(error, FileNotFoundError):
            reason = getattr(error, "strerror", error)
            fail(argument, "a folder, or the path of a new one", f"{place} ({reason})")
    if make and not os.access(place, os.W_OK):
        fail(argument, "a folder that can be written to", f"{place} (no permission)")
    return place


def same(
    argument: str, wanted: Mapping, given: Mapping, wanted_note: str = "", given_note: str = ""
) -> None:
    """Compare two mappings from names to plain values, or to such mappings again.

    Args:
        argument: the name that an error shows.
        wanted: as it should be.
        given: as it is.
        wanted_note: put behind the values wanted, such as ``" as in part-1"``.
        given_note: put behind the values given.

    Raises:
        ValueError: if they differ; the message has each key that differs (``outer.inner`` in a
            mapping within), with both values, ``nothing`` where it is missing.
    """
    wanted, given = _flat(wanted), _flat(given)
    keys = [
        key
        for key in sorted(wanted.keys() | given.keys())
        if (key in wanted, wanted.get(key)) != (key in given, given.get(key))
    ]
    if keys:
        fail(argument, _shown(wanted, keys) + wanted_note, _shown(given, keys) + given_note)


def _flat(values: Mapping, outer: str = "") -> dict[str, Any]:
    found = {}
    for key, value in values.items():
        inside = isinstance(value, Mapping) and value  # an empty one is a value like others
        found |= _flat(value, f"{outer}{key}.") if inside else {f"{outer}{key}": value}
    return found


def _shown(values: Mapping, keys: Iterable[str]) -> str:
    texts = {key: repr(values[key]) if key in values else "nothing" for key in keys}
    short = {key: text if len(text) <= 100 else f"{text[:97]}..." for key, text in texts.items()}
    return ", ".join(f"{key} = {text}" for key, text in short.items())


@contextmanager
def advising(advice: str) -> Iterator[None]:
    """Put an advice behind the message of each ValueError that is raised within."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{error}; {advice}") from error
