"""One progress bar for all long work: shown on a terminal, silent everywhere else."""

from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

Item = TypeVar("Item")


def track(items: Iterable[Item], description: str, total: int | None = None) -> Iterator[Item]:
    """Yield ``items`` and show how far the work has come, unless stderr is not a terminal."""
    return iter(tqdm(items, desc=description, total=total, disable=None, leave=False))


def bar(description: str, total: int, done: int = 0) -> tqdm:
    """The same bar for work that does not go one by one: ``update(k)`` after each k of it."""
    return tqdm(desc=description, total=total, initial=done, disable=None, leave=False)
