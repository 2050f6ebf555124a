"""Amounts of memory: as text with units, what is free, and how much work fits."""

import os
import re
from collections.abc import Iterator
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

from unlearning.base.checks import fail, finite, integer

UNITS = {"B": 1} | {
    f"{prefix}{infix}B": base**power
    for infix, base in (("", 1000), ("i", 1024))
    for power, prefix in enumerate("KMGT", 1)
}
BINARY = ("B", "KiB", "MiB", "GiB", "TiB")
FORMS = "bytes as a number, or with a unit such as 4096, '512 MiB', '2GiB' or '1.5GB'"
ROOT = Path("/")  # where proc and sys are; tests put their own there


def size(text: str | int, argument: str = "memory") -> int:
    """Return an amount of memory in bytes, rounded down; units in any case, binary or decimal.

    Args:
        text: such as ``4096``, ``"512 MiB"``, ``"2GiB"`` or ``"1.5GB"``.
        argument: the name that an error shows.

    Raises:
        ValueError: if it is none of these, or less than one byte.
    """
    if not isinstance(text, str):
        return integer(argument, text, least=1, note=f" ({FORMS})")
    units = {name.lower(): factor for name, factor in UNITS.items()}
    match = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)\s*", text.lower(), re.ASCII)
    if not match or (match[2] or "b") not in units:
        fail(argument, FORMS, repr(text))
    count = int(Fraction(match[1]) * units[match[2] or "b"])
    if count < 1:
        fail(argument, f"at least one byte: {FORMS}", repr(text))
    return count


def shown(count: float, *, up: bool = False) -> str:
    """Return bytes in a binary unit with one decimal, as ``1.9 GiB``; ``up`` rounds up."""
    count = ceil(count)
    for unit in BINARY:
        tenths = Fraction(10 * count, UNITS[unit])
        tenths = ceil(tenths) if up else round(tenths)
        if tenths < 10240 or unit == BINARY[-1]:
            break
    return f"{count} B" if unit == "B" else f"{tenths // 10}.{tenths % 10} {unit}"


def fit(fixed: int, per_item: int, wanted: int, allowed: int, what: str, allowed_from: str) -> int:
    """Return the largest count up to ``wanted`` with ``fixed + count * per_item <= allowed``.

    Args:
        fixed: bytes needed for any count.
        per_item: bytes for each item.
        wanted: items to have at most, at least 1.
        allowed: bytes.
        what: the items, as an error names them.
        allowed_from: where the limit comes from, as an error names it.

    Raises:
        ValueError: if not even one item fits; the message has the amount that is needed.
    """
    finite("fixed", fixed, least=0)
    finite("per_item", per_item, least=0)
    integer("wanted", wanted, least=1)
    if fixed + per_item > allowed:
        parts = f"fixed {shown(fixed)} + one {shown(per_item)} of {wanted}"
        needed = f"at least {shown(fixed + per_item, up=True)} for {what} ({parts})"
        fail("memory", needed, f"{shown(allowed)} ({allowed_from})")
    return wanted if per_item == 0 else min(wanted, int((allowed - fixed) // per_item))


def available(device: Any = "cpu") -> int:
    """Return the bytes that may still be taken, at this moment.

    Main memory: what Linux calls available, or what the control groups of this process leave, if
    that is less; on other systems all there is. CUDA: what the driver has free and what PyTorch
    holds without using it.

    Raises:
        ValueError: if the device is neither ``cpu`` nor ``cuda``, ``cuda:0`` and so on.
    """
    name = str(device)
    if re.fullmatch(r"cuda(:[0-9]+)?", name):
        return _cuda(name)
    if name != "cpu":
        fail("device", "cpu, cuda or cuda:0 and so on", repr(name))
    return max(0, min([_main(), *_groups()]))


def _cuda(device: str) -> int:
    import torch  # only here: a process that uses CUDA has it loaded, others need not

    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + unused


def _main() -> int:
    try:
        lines = (ROOT / "proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvail"))
    except (OSError, StopIteration):  # not Linux
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


# Version of control groups: limit, use, and what of the use is files that would be dropped.
FILES = {
    2: ("memory.max", "memory.current", "inactive_file"),
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}


def _groups() -> Iterator[int]:
    """Yield what each control group of this process, from innermost to outermost, leaves it."""
    try:
        lines = (ROOT / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for _, controllers, path in (line.split(":", 2) for line in lines):
        if controllers in ("", "memory") or "memory" in controllers.split(","):
            version = 1 if controllers else 2
            top = ROOT / "sys/fs/cgroup" / ("memory" if controllers else "")
            inner = top / path.lstrip("/")
            # In a container the path may be the host's, which is not there: the top then is ours.
            for group in (inner, *inner.parents):
                if group.is_relative_to(top):
                    yield from _left(group, *FILES[version])


def _left(group: Path, limit: str, use: str, droppable: str) -> Iterator[int]:
    try:
        most, used = (int((group / name).read_text()) for name in (limit, use))
        lines = (group / "memory.stat").read_text(encoding="ascii").splitlines()
        files = next((int(x.split()[1]) for x in lines if x.startswith(f"{droppable} ")), 0)
    except (OSError, ValueError):  # no such group, or no limit ("max")
        return
    yield most - used + files
