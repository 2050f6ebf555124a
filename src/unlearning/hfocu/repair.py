"""Repairing: training goes on without the deleted samples, and the recursion goes on with it.

After the deletion of U the weights are ``y_0 = w_T + a^U``. Repair steps train on from there, on
the samples that stay, and the approximators of these samples go along (``recursion``)::

    y_{t+1} = y_t - eta'_t c'_t g'_t                                   batches without U
    a_{t+1} = (I - eta'_t J'_t) a_t + (eta'_t / |B'|) * fresh terms    a_0 as the first run left it

For a sample v that stays, ``a`` is minus the derivative of both phases together with respect to the
weight of v, WITH THE JUMP ``a^U`` HELD FIXED. What it leaves out is the cross term: in a run with
less of v the jump ``a^U`` would be another one. That is an effect of second order, which need not
be small where much is deleted, and plain sums of approximators leave it out as well.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from unlearning.base import checks
from unlearning.base.precision import in_full_float32
from unlearning.hfocu import deletion
from unlearning.hfocu.approximators import Approximators
from unlearning.hfocu.job import Job
from unlearning.hfocu.plan import Plan
from unlearning.hfocu.recursion import Recursion
from unlearning.hfocu.settings import Settings
from unlearning.hfocu.sources import Replay
from unlearning.training.path import Ends
from unlearning.training.retrain import retrain
from unlearning.training.schedule import Schedule
from unlearning.training.trajectory import Run, train

#: Settings of ``recollect`` that ``repair`` takes; the others follow from the approximators.
SETTINGS = ("kernel", "chunk", "memory", "folder", "storage", "save_every")
#: Approximators that are read at once where those of a set are added up.
AT_ONCE = 64


@in_full_float32
def repair(
    run: Run,
    approximators: Approximators,
    forget,
    *,
    schedule: Schedule | None,
    sets: Sequence[Sequence[int]] | None = None,
    **settings,
) -> "Repaired":
    """Delete samples, train on without them, and carry the other samples' approximators along.

    The repair is plain SGD on the samples that stay: mean loss of a batch plus the whole penalty,
    from ``w_T + a^U`` on. (Under R3 the retrained model has another minimiser than that: the
    penalty weighs more there, as the denominator keeps the deleted samples.)

    With a ``folder``, the weights of the repair and the vectors are written there, in groups of
    rows if ``memory`` asks for it, and the same call goes on after a kill.

    Args:
        run: the run to delete from.
        approximators: of this run; of sets, if ``forget`` is one of them.
        forget: distinct sample numbers.
        schedule: of the repair; None for no step, a deletion and nothing else.
        sets: lists of sample numbers, one vector each. By default every sample that stays; where
            the approximators are of sets, every set without a deleted sample.
        settings: ``kernel``, ``chunk``, ``memory``, ``folder``, ``storage`` and ``save_every``, as
            for ``recollect``.

    Raises:
        ValueError: as ``forget``, ``train`` and ``recollect`` do; for a set with a deleted sample.
    """
    checks.instance("run", run, Run, "an unlearning.Run, as train gives it")
    first = Repaired(None, run, approximators, tuple(range(len(run.samples))))
    return first.repair(forget, schedule=schedule, sets=sets, **settings)


@dataclass(frozen=True, eq=False)
class Repaired:
    """A model after a deletion and its repair, ready for further deletions.

    Its methods take the sample numbers of the first run.

    Attributes:
        before: what was deleted from; None for a run as it was trained.
        run: the repair steps, a run on the samples that stay.
        approximators: carried through the repair; their numbers are the rows of ``run.samples``.
        kept: the samples that stay, rising: row i of ``run.samples`` is number ``kept[i]``.
    """

    before: "Repaired | None"
    run: Run
    approximators: Approximators
    kept: tuple[int, ...]

    @property
    def weights(self) -> torch.Tensor:
        """The repaired weights, shape ``[d]``."""
        return self.run.weights

    def forget(self, samples) -> torch.Tensor:
        """The weights after deleting further samples: repaired weights plus approximators.

        Args:
            samples: distinct sample numbers, none of them deleted before.

        Raises:
            ValueError: as ``forget`` does, or for a sample that has been deleted.
        """
        return deletion.forget(self.run, self.approximators, self._forgettable("samples", samples))

    def repair(self, forget, *, schedule: Schedule | None, sets=None, **settings) -> "Repaired":
        """Delete and repair once more: arguments and errors as for ``repair``."""
        settings = _checked(settings, schedule)
        gone = self._forgettable("forget", forget)
        start = deletion.forget(self.run, self.approximators, gone)
        stay = [row for row in range(len(self.kept)) if row not in set(gone)]
        members = self._carried_on(sets, set(gone))
        run = _steps(self.run, stay, start, schedule, settings.get("folder"))
        each = [[row] for row in stay] if members is None else members
        begin = _Begin(self.approximators, each, start)
        new = {row: i for i, row in enumerate(stay)}
        new_sets = members and [[new[row] for row in rows] for rows in members]
        carried = _along(run, begin, new_sets, settings)
        return Repaired(self, run, carried, tuple(self.kept[row] for row in stay))

    def retrain(self, samples=(), *, batch_seed: int | None = None) -> torch.Tensor:
        """The target: the first run without all that was deleted, then the same repair steps.

        Nothing is unlearned in between. Further ``samples`` are left out of the repair's batches as
        out of those of the first run, by the convention of the approximators.

        Args:
            samples: further ones to leave out.
            batch_seed: another seed for the order of all batches.

        Returns:
            The weights, shape ``[d]``.

        Raises:
            ValueError: if nothing has been deleted and nothing is to be; for an invalid set, or a
                sample that has been deleted.
        """
        samples = checks.listed("samples", samples, "a list of sample numbers")
        rows = self._rows("samples", samples) if samples else []
        return self._without({self.kept[row] for row in rows}, batch_seed)

    def _without(self, samples: set[int], batch_seed: int | None) -> torch.Tensor:
        """The end of all phases without what was deleted, and without some samples."""
        rows = [row for row, number in enumerate(self.kept) if number in samples]
        how = {"convention": self.approximators.convention, "batch_seed": batch_seed}
        if self.before is None:
            return retrain(self.run, rows, **how)
        gone = set(self.before.kept) - set(self.kept)
        start, run = self.before._without(samples | gone, batch_seed), self.run
        if len(run) == 0:
            return start
        if rows:
            again = replace(run, trajectory=Ends(start, start, len(run)))
            return retrain(again, rows, **how)
        order = {} if batch_seed is None else {"seed": batch_seed}
        schedule = replace(run.schedule, **order)
        again = train(run.objective, run.samples, schedule, initial_weights=start, keep=False)
        return again.weights

    def _rows(self, argument: str, samples) -> list[int]:
        """The rows of ``run.samples`` that have these numbers; not all of them."""
        first = self
        while first.before is not None:
            first = first.before
        row_of = {number: row for row, number in enumerate(self.kept)}
        numbers = checks.indices(argument, samples, len(first.kept))
        for number in numbers:
            if number not in row_of:
                gone = f"sample {number}, which has been deleted"
                checks.fail(argument, "samples that have not been deleted", gone)
        rows = [row_of[number] for number in numbers]
        return checks.forget_set(argument, rows, len(self.kept))

    def _forgettable(self, argument: str, samples) -> list[int]:
        """The same, if there is an approximator for them."""
        rows = self._rows(argument, samples)
        sets = self.approximators.sets
        if sets is not None and set(rows) not in map(set, sets):
            given = sorted(self.kept[row] for row in rows)
            checks.fail(argument, f"one of the {len(sets)} sets with an approximator", given)
        return rows

    def _carried_on(self, sets, gone: set[int]) -> list[list[int]] | None:
        """The rows of each set to carry on; None for every sample that stays."""
        own = self.approximators.sets
        if sets is None:
            if own is None:
                return None
            left = [list(rows) for rows in own if not gone & set(rows)]
            return left or checks.fail("sets", "one at least without a deleted sample", "none left")
        found = [self._forgettable("sets", members) for members in Settings(sets).sets]
        for row in (row for rows in found for row in rows if row in gone):
            checks.fail("sets", "samples that stay", f"sample {self.kept[row]}, to be deleted")
        return found


def _checked(settings: dict[str, Any], schedule: Schedule | None) -> dict[str, Any]:
    for name in settings:
        checks.choice("settings", name, SETTINGS)
    if schedule is not None:
        checks.instance("schedule", schedule, Schedule, "a Schedule, or None for no step")
    elif settings.get("folder") is not None:
        checks.fail("folder", "None without repair steps", repr(settings["folder"]))
    return settings


def _steps(run: Run, stay: list[int], start, schedule: Schedule | None, folder) -> Run:
    """The repair steps: a run on the samples that stay, from ``start`` on."""
    samples = run.samples[stay]
    if schedule is None:
        return Run(run.objective, samples, run.schedule, [], [], [], start[None])
    place = None if folder is None else Path(folder) / "run"
    return train(run.objective, samples, schedule, initial_weights=start, folder=place)


@dataclass(frozen=True)
class _Begin:
    """The vectors before the first repair step.

    Attributes:
        approximators: as the phase before has left them.
        members: for each vector, the numbers whose approximators it is the sum of.
        like: a tensor of the dtype, and on the device, that is wanted.
    """

    approximators: Approximators
    members: list[list[int]]
    like: torch.Tensor

    def __call__(self, rows: range) -> torch.Tensor:
        """Those of some rows, shape ``[len(rows), d]``, as new tensors."""
        if all(len(self.members[row]) == 1 for row in rows) and self.approximators.sets is None:
            found = self.approximators.rows([self.members[row][0] for row in rows])
        else:
            found = torch.stack([self._sum(self.members[row]) for row in rows])
        return found.to(self.like)

    def _sum(self, members: list[int]) -> torch.Tensor:
        if self.approximators.sets is not None:
            return self.approximators.rows(members)[0]
        parts = [members[i : i + AT_ONCE] for i in range(0, len(members), AT_ONCE)]
        return sum(self.approximators.rows(part).to(self.like).sum(0) for part in parts)


class _CarryingOn(Job):
    """A recollection that begins with the vectors of an earlier phase instead of zeros."""

    def __init__(self, source: Replay, settings: Settings, begin: Callable[[range], torch.Tensor]):
        super().__init__(source, settings)
        self.begin = begin

    def _recursion(self, plan: Plan, rows: range) -> Recursion:
        recursion = super()._recursion(plan, rows)
        recursion.start = lambda: self.begin(rows)
        return recursion

    def _identity(self) -> dict[str, Any]:
        return super()._identity() | {"carried from": self.begin.approximators.fingerprint}


def _along(run: Run, begin: _Begin, sets, settings: dict[str, Any]) -> Approximators:
    """The approximators at the end of the repair."""
    from_before = begin.approximators
    how = (from_before.convention, from_before.quirks)
    if len(run) == 0:
        vectors = begin(range(len(begin.members)))
        sets = sets and tuple(tuple(rows) for rows in sets)
        return Approximators(vectors, sets, *how, run.fingerprint)
    if settings.get("folder") is not None:
        settings = settings | {"folder": Path(settings["folder"]) / "approximators"}
    return _CarryingOn(Replay(run), Settings(sets, *how, **settings), begin).result()
