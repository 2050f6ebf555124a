"""The settings of a recollection, checked."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from unlearning.base import checks, memory, shards
from unlearning.hfocu.steps import QUIRKS
from unlearning.training.retrain import CONVENTIONS

LISTS = "a list of lists of sample numbers"


@dataclass
class Settings:
    """The arguments of ``recollect``, checked.

    Quirks are kept in the order of ``QUIRKS``, each once: what is computed does not depend on the
    order in which they are given.

    Raises:
        ValueError: for an argument of another type, an unknown name, a value out of its range, or a
            folder that cannot be one; the message names it.
    """

    sets: Any = None
    convention: str = "R2"
    quirks: Iterable[str] = ()
    kernel: str = "auto"
    chunk: int | None = None
    memory: str | int | None = None
    folder: str | Path | None = None
    storage: str | None = None
    save_every: float = 60.0
    part: tuple[int, int] = (1, 1)

    def __post_init__(self):
        self._check_sets()
        checks.choice("convention", self.convention, CONVENTIONS)
        self._check_quirks()
        if self.chunk is not None:
            self.chunk = checks.integer("chunk", self.chunk, least=1)
        if self.memory is not None:
            self.memory = memory.size(self.memory)
        if self.storage is not None:
            checks.choice("storage", self.storage, shards.DTYPES)
            if self.folder is None:
                checks.fail("storage", "None without a folder to store in", repr(self.storage))
        self.save_every = checks.finite("save_every", self.save_every, least=0.0)
        if self.folder is not None:
            self.folder = checks.folder("folder", self.folder, make=False)
        if not isinstance(self.part, tuple | list) or len(self.part) != 2:
            checks.fail("part", "two numbers (i, k)", repr(self.part))
        i, k = self.part
        k = checks.integer("part", k, least=1)
        self.part = (checks.integer("part", i, least=1, most=k, note=f" (of {k} parts)"), k)

    @classmethod
    def of(cls, **settings) -> "Settings":
        """Settings by name.

        Raises:
            ValueError: for a name that is none of them (the message has them all), or a bad value.
        """
        for name in settings:
            checks.choice("settings", name, [field.name for field in fields(cls)])
        return cls(**settings)

    def _check_sets(self) -> None:
        if self.sets is None:
            return
        ordered = isinstance(self.sets, Sequence) or hasattr(self.sets, "tolist")
        if not ordered:  # which row is which would not be known
            checks.fail("sets", LISTS, repr(self.sets))
        given = checks.listed("sets", self.sets, LISTS)
        if not given:
            checks.fail("sets", "at least one set, or None for every sample", "an empty list")
        self.sets = [checks.listed("sets", members, LISTS) for members in given]

    def _check_quirks(self) -> None:
        names = f"a list of names out of {', '.join(QUIRKS)}"
        given = checks.listed("quirks", self.quirks, names)
        for name in given:
            checks.choice("quirks", name, QUIRKS)
        self.quirks = tuple(name for name in QUIRKS if name in given)

    def checked_sets(self, n: int) -> tuple[tuple[int, ...], ...] | None:
        """The sets, each valid among n samples.

        Raises:
            ValueError: if one is not; the message has the member that is wrong.
        """
        if self.sets is None:
            return None
        return tuple(tuple(checks.forget_set("sets", members, n)) for members in self.sets)
