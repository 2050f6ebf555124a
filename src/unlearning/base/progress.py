"""One progress bar for all long work: shown on a terminal, silent everywhere else."""

import threading
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


class _Bar(tqdm):
    """Of this process alone: no thread watches it, no other process waits for its lock.

    tqdm's own lock is shared with forked processes. One that is killed while it draws would keep
    all others waiting for ever.
    """

    monitor_interval = 0


_Bar.set_lock(threading.RLock())


def track(items: Iterable[Item], description: str, total: int | None = None) -> Iterator[Item]:
    """Yield ``items`` and show how far the work has come, unless stderr is not a terminal."""
    return iter(_Bar(items, desc=description, total=total, disable=None, leave=False))


def bar(description: str, total: int, done: int = 0) -> tqdm:
    """The same bar for work that does not go one by one: ``update(k)`` after each k of it."""
    return _Bar(desc=description, total=total, initial=done, disable=None, leave=False)
