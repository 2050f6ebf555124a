"""An experiment over seeds, kept seed by seed while it is being recorded.

A seed that has finished is written to ``_build/records/`` at once. When a recording is interrupted
and started again, seeds that the same code, configuration, versions and threads have finished
are read back instead of being run again.
"""

import json
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from unlearning.base import checks, provenance, sources
from unlearning.companion import record as records

Rows = list[dict[str, Any]]


def parts_folder(record: str) -> Path:
    """Where the finished seeds of a recording wait for the others."""
    return records.output_root() / "_build" / "records" / record


class Study:
    """One experiment of a chapter, repeated for several seeds.

    Args:
        chapter: number or name of the notebook.
        configuration: everything that decides the result, plain values, ``seeds`` among it.
        record: name of the record to make; empty to compute without keeping anything.

    Raises:
        ValueError: if ``configuration`` has no ``seeds``, or one of them twice.
    """

    def __init__(self, chapter: str, configuration: Mapping[str, Any], record: str = ""):
        self.chapter, self.configuration, self.record = chapter, dict(configuration), record
        seeds = self.configuration.get("seeds")
        if not seeds or len(set(seeds)) != len(seeds):
            checks.fail("configuration", "a list 'seeds', each seed once", repr(seeds))
        # The code as it is now, when it is imported, and not as it is when the work is done.
        self.started_with = sources.everything()
        self.notebook, self.commit = records.notebook_hash(chapter), provenance.commit()
        self.runs: list[dict[str, Any]] = []
        self.used: dict[str, str] = {}
        self.rows: Rows = []

    def each_seed(self, measure: Callable[[int], Iterable[Mapping[str, Any]]]) -> Rows:
        """Run ``measure(seed)`` for every seed and return all its rows, in order.

        It may be called again with another function; the record holds the rows of all.

        Args:
            measure: gives the rows of one seed, flat dictionaries of plain values. Its name
                tells its finished seeds from those of other functions.
        """
        mine = []
        for seed in self.configuration["seeds"]:
            path = self._path(seed, measure.__name__)
            part = self._kept(path) or self._measured(seed, measure, path)
            mine += part["rows"]
            kept = ("seed", "part", "seconds", "commit", "date")
            self.runs.append({key: part[key] for key in kept})
            self.used |= part["sources"]
        self.rows += mine
        return mine

    def save(self, *, findings: Iterable[Mapping] = (), effects: Iterable[Mapping] = ()) -> None:
        """Write the record, if this study is to be recorded (``records.save`` for the rest)."""
        if self.record:
            records.save(
                self.record,
                chapter=self.chapter,
                parameters=self.configuration,
                runs=self.runs,
                used=self.used | self._sources_in_use(),
                values=self.rows,
                findings=findings,
                effects=effects,
            )

    def _measured(self, seed: int, measure: Callable, path: Path) -> dict[str, Any]:
        started = time.perf_counter()
        rows = [dict(row) for row in measure(seed)]
        part = {
            "seed": seed,
            "part": measure.__name__,
            "seconds": round(time.perf_counter() - started, 1),
            "commit": self.commit,
            "date": time.strftime("%Y-%m-%d", time.gmtime()),
            "sources": self._sources_in_use(),
            "rows": rows,
        }
        if self.record:
            text = json.dumps(part | self._circumstances(), indent=1)
            records.write_whole(path, text)
        return part

    def _kept(self, path: Path) -> dict[str, Any] | None:
        """The seed's rows from an earlier, interrupted recording, if nothing has changed since."""
        if not self.record or not path.is_file():
            return None
        part = json.loads(path.read_text(encoding="utf-8"))
        same = all(part.get(key) == value for key, value in self._circumstances().items())
        if same and not sources.changed(part["sources"]):
            return part
        path.unlink()
        return None

    def _circumstances(self) -> dict[str, Any]:
        """What must be as it was for a kept seed to count."""
        where = provenance.environment()
        kept = {key: where[key] for key in ("python", "versions", "instructions", "threads", "gpu")}
        return {"circumstances": kept, "notebook": self.notebook}

    def _sources_in_use(self) -> dict[str, str]:
        """The files that took part, refused if they have changed since this study began."""
        used = sources.used()
        now = used | {"the notebook": records.notebook_hash(self.chapter)}
        before = self.started_with | {"the notebook": self.notebook}
        changed = [name for name, digest in now.items() if before.get(name) != digest]
        if changed and self.record:
            raise RuntimeError(
                f"changed while the record was being made: {', '.join(changed)}; "
                "record again (finished seeds whose code has not changed are kept)"
            )
        return used

    def _path(self, seed: int, part: str) -> Path:
        """The seeds still to come do not belong to the name: more can be added later."""
        others = {k: v for k, v in self.configuration.items() if k != "seeds"}
        folder = parts_folder(self.record) / provenance.configuration_hash(others)
        return folder / f"seed-{seed}-{part}.json"
