"""One recollection from its first step to its last: in memory, or into a folder."""

from collections import deque
from pathlib import Path
from typing import Any

import torch

from unlearning.base import checks
from unlearning.base.checkpoint import State, Stop, interruptible
from unlearning.base.locks import held
from unlearning.base.progress import bar
from unlearning.base.provenance import circumstances, digest
from unlearning.hfocu.approximators import Approximators, open_approximators
from unlearning.hfocu.plan import Plan, make_plan, needs_of
from unlearning.hfocu.recursion import Recursion
from unlearning.hfocu.settings import Settings
from unlearning.hfocu.sources import Along, Replay
from unlearning.hfocu.steps import Rule
from unlearning.hfocu.work import Work


class Job:
    """One recollection: a source of steps, and settings."""

    def __init__(self, source: Replay | Along, settings: Settings):
        self.source, self.settings = source, settings
        objective, samples = source.objective, source.samples
        self.sets = settings.checked_sets(len(samples))
        self.count = len(samples) if self.sets is None else len(self.sets)
        i, k = settings.part
        self.rows = range(self.count * (i - 1) // k, self.count * i // k)
        if not self.rows:
            checks.fail("part", f"at most {self.count} parts, one a row", k)
        self.rule = Rule(objective.l2, source.schedule.clip, settings.convention, settings.quirks)
        what = (objective, samples, source.batches, self.rule)
        self.needs = needs_of(*what, settings.kernel, len(self.rows), self.sets)

    def result(self) -> Approximators:
        """Compute, or read what has been computed."""
        if self.settings.folder is not None:
            return self._on_disk(Path(self.settings.folder))
        plan = self._plan(self.settings.chunk)
        recursion = self._recursion(plan, self.rows)
        vectors = recursion.start()
        with bar("recollect", len(self.source.batches)) as shown:
            for stretch in self.source.begin(None):
                for steps in recursion.advance(vectors, stretch):
                    shown.update(len(steps))
        sets = None if self.sets is None else self.sets[self.rows.start : self.rows.stop]
        first = self.rows.start if sets is None else 0
        return Approximators(vectors, sets, self.rule.convention, self.rule.quirks,
                             self.source.end().fingerprint, first)  # fmt: skip

    def _plan(self, chunk: int | None, group: int | None = None) -> Plan:
        whole = self.source.all_at_once
        if not whole and self.settings.folder is None:
            whole = "with a folder to write to, they can be computed in groups"
        many, allowed = len(self.rows), self.settings.memory
        sizes = {"chunk": chunk, "group": group}
        return make_plan(
            self.needs, many, **sizes, allowed=allowed, device=self._device, whole=whole
        )

    def _recursion(self, plan: Plan, rows: range) -> Recursion:
        source = self.source
        run = (source.objective, source.samples, source.batches)
        how = {"kernel": plan.kernel, "chunk": plan.chunk}
        return Recursion(self.rule, *run, sets=self.sets, rows=rows, **how)

    def _on_disk(self, folder: Path) -> Approximators:
        work = Work(folder, self._identity(), self.settings.save_every)
        if not self._there(work):
            self._plan_for(work)  # refused before anything is written
            with held(folder):
                if not self._there(work):  # also not by now
                    self._compute(work, self._plan_for(work))
        return open_approximators(folder, self.source.samples.inputs.device)

    def _there(self, work: Work) -> bool:
        """Whether all rows have been computed; then the source is at its end."""
        content = work.finished()
        if content is not None:
            self.source.restore(work.folder, content)
        return content is not None

    def _compute(self, work: Work, plan: Plan) -> None:
        how = {"kernel": plan.kernel, "chunk": plan.chunk, "group": plan.group}
        state = work.begin(how | circumstances(self._device), plan.working)
        size, steps = plan.group, len(self.source.batches)
        groups = [self.rows[i : i + size] for i in range(0, len(self.rows), size)]
        made = work.group * steps + (state.progress["t"] if _within(state) else 0)
        if work.group == len(groups):  # all was there, but for the manifest
            deque(self.source.begin(state), maxlen=0)
        with interruptible() as stop, bar("recollect", steps * len(groups), made) as shown:
            while work.group < len(groups):
                rows = groups[work.group]
                self._group(work, self._recursion(plan, rows), state, stop, shown)
                state = None
        work.finish(self._content() | self.source.ends(work.folder))
        if stop.requested:
            raise KeyboardInterrupt(f"stopped after the last step; all is in {work.folder}")

    def _plan_for(self, work: Work) -> Plan:
        """Chunk and group size as the work was begun with, unless another chunk is asked for."""
        before = work.adopted()
        chunk, group = self.settings.chunk or before.get("chunk"), before.get("group")
        if not before:
            return self._plan(chunk)
        begun = f"{work.folder} was begun with chunk = {before['chunk']} and group = {group}"
        with checks.advising(f"{begun}: allow more, or delete its folder state to start over"):
            return self._plan(chunk, group)

    def _group(self, work: Work, recursion: Recursion, state: State | None, stop: Stop, shown):
        """All steps, or those from a state on, for one group of rows."""
        vectors, last = recursion.start(), len(self.source.batches)
        state = state if _within(state) else None
        if state:
            work.read_into(state, vectors)
        for stretch in self.source.begin(state):
            for steps in recursion.advance(vectors, stretch):
                shown.update(len(steps))
                if stop.requested or work.due():
                    recursion.check_finite()
                    progress, arrays = self.source.saved(steps.stop)
                    work.save(progress, {"vectors": vectors.cpu().numpy(), **arrays})
                if stop.requested:
                    done = f"stopped after step {steps.stop} of {last}"
                    again = "the same call goes on from there"
                    raise KeyboardInterrupt(f"{done}; saved in {work.folder}: {again}")
        work.finish_group(vectors, self._storage, *self.source.saved(last))

    @property
    def _device(self) -> torch.device:
        return self.source.samples.inputs.device

    @property
    def _storage(self) -> str:
        own = str(self.source.objective.initial_weights.dtype).removeprefix("torch.")
        return self.settings.storage or own

    def _identity(self) -> dict[str, Any]:
        """What is computed, and not how."""
        return {
            "run": self.source.identity,
            "mode": self.source.mode,
            "convention": self.rule.convention,
            "quirks": list(self.rule.quirks),
            "sets": None if self.sets is None else digest(str(self.sets)),
            "rows": [self.rows.start, self.rows.stop],
            "storage": self._storage,
        }

    def _content(self) -> dict[str, Any]:
        """What a reader of the finished store must know."""
        return {
            "dtype": self._storage,
            "sets": self.sets,
            "convention": self.rule.convention,
            "quirks": self.rule.quirks,
            "fingerprint": self.source.end().fingerprint,
            "first": self.rows.start,
            "of": self.count,
        }


def _within(state: State | None) -> bool:
    """Whether a state was saved within a group; if not, it was saved between two."""
    return state is not None and "vectors" in state.names
