"""The settings of a recollection, checked."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unlearning.base import checks, memory, shards
from unlearning.hfocu.steps import QUIRKS
from unlearning.training.retrain import CONVENTIONS


@dataclass
class Settings:
    """The arguments of ``recollect``, checked."""

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
        checks.choice("convention", self.convention, CONVENTIONS)
        if isinstance(self.quirks, str) or not isinstance(self.quirks, Iterable):
            checks.fail("quirks", f"a list of names out of {', '.join(QUIRKS)}", repr(self.quirks))
        self.quirks = tuple(checks.choice("quirks", name, QUIRKS) for name in self.quirks)
        if self.chunk is not None:
            checks.integer("chunk", self.chunk, least=1)
        if self.memory is not None:
            self.memory = memory.size(self.memory)
        if self.storage is not None:
            checks.choice("storage", self.storage, shards.DTYPES)
            if self.folder is None:
                checks.fail("storage", "None without a folder to store in", repr(self.storage))
        checks.finite("save_every", self.save_every, least=0.0)
        self._check_folder()
        if not isinstance(self.part, tuple | list) or len(self.part) != 2:
            checks.fail("part", "two numbers (i, k)", repr(self.part))
        i, k = self.part
        checks.integer("part", k, least=1)
        checks.integer("part", i, least=1, most=k, note=f" (of {k} parts)")

    def _check_folder(self) -> None:
        if self.folder is None:
            return
        if not isinstance(self.folder, str | Path):
            checks.fail("folder", "a path", repr(self.folder))
        if Path(self.folder).exists() and not Path(self.folder).is_dir():
            checks.fail("folder", "a folder, or the path of a new one", f"a file: {self.folder}")

    def checked_sets(self, n: int) -> tuple[tuple[int, ...], ...] | None:
        """The sets, each valid among n samples."""
        if self.sets is None:
            return None
        if isinstance(self.sets, str) or not isinstance(self.sets, Sequence):
            checks.fail("sets", "a list of lists of sample numbers", repr(self.sets))
        if not self.sets:
            checks.fail("sets", "at least one set, or None for every sample", "an empty list")
        return tuple(tuple(checks.forget_set("sets", members, n)) for members in self.sets)
