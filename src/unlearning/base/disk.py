"""Where files lie: what a time on disk depends on."""

from pathlib import Path


def file_system(folder: str | Path) -> str:
    """The type of the file system that a folder is on, such as ``ext4``.

    Args:
        folder: an existing one.

    Returns:
        The type where the system tells, as Linux does in ``/proc/mounts``; else ``unknown``.
    """
    mounts, place = Path("/proc/mounts"), Path(folder).resolve()
    listed = mounts.read_text(encoding="utf-8").splitlines() if mounts.is_file() else []
    found = {}  # of what is mounted twice in one place, the last counts
    for line in listed:
        _, at, kind, *_ = line.split()
        if place.is_relative_to(at):
            found[at] = kind
    return found[max(found, key=len)] if found else "unknown"
