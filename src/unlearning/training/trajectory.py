"""Stochastic gradient descent that remembers its path."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import torch

from unlearning.base import checks
from unlearning.base.checkpoint import interruptible
from unlearning.base.locks import held
from unlearning.base.precision import in_full_float32
from unlearning.base.provenance import digest
from unlearning.base.stored import StoredRows
from unlearning.problem.identity import identity_of
from unlearning.problem.objective import Objective
from unlearning.problem.samples import Samples
from unlearning.training import path as paths
from unlearning.training.descent import Position, Stretch, descend, on_device, stretches
from unlearning.training.schedule import Schedule


@dataclass(frozen=True, eq=False)
class Run:
    """A training run with all that unlearning needs of it.

    Attributes:
        objective: what was minimised.
        samples: the n training samples.
        schedule: step sizes, batch order, clip.
        batches: sample numbers of each of the T steps.
        step_sizes: eta_t of each step.
        clip_factors: ``min(1, C / |g_t|)`` of each step; 1 where the clip was idle.
        trajectory: the weights before each step and after the last: a tensor ``[T + 1, d]``, or
            something that reads such rows from disk, or both ends alone (``train(keep=...)``).
    """

    objective: Objective
    samples: Samples
    schedule: Schedule
    batches: list[torch.Tensor]
    step_sizes: list[float]
    clip_factors: list[float]
    trajectory: torch.Tensor | StoredRows | paths.Ends

    def __len__(self) -> int:
        """The number of steps, T."""
        return len(self.batches)

    @property
    def weights(self) -> torch.Tensor:
        """The learned weights, after the last step: shape ``[d]``."""
        return self.trajectory[len(self)].clone()

    @property
    def initial_weights(self) -> torch.Tensor:
        """The weights before the first step: shape ``[d]``."""
        return self.trajectory[0].clone()

    def weights_at(self, t: int) -> torch.Tensor:
        """The weights before step ``t`` (``t = T``: after the last step), shape ``[d]``.

        Raises:
            ValueError: if ``t`` is not in ``0..T``, or the run did not keep its weights.
        """
        return self.trajectory[checks.integer("t", t, least=0, most=len(self))].clone()

    def stretches(self, first: int = 0) -> Iterator[Stretch]:
        """Walk along the run again, from step ``first``, some steps at a time.

        Raises:
            ValueError: if the run did not keep its weights.
        """
        for steps in stretches(first, len(self)):
            part = slice(steps.start, steps.stop)
            weights = self.trajectory[part]
            yield Stretch(steps.start, weights, self.step_sizes[part], self.clip_factors[part])

    @cached_property
    def fingerprint(self) -> str:
        """Identifies the run: approximators carry it, so that they are never used with another."""
        start = self.trajectory[0]
        origin = origin_of(self.objective, self.samples, self.schedule, start)
        return digest(origin, self.trajectory[len(self)])


def origin_of(objective: Objective, samples: Samples, schedule: Schedule, start) -> str:
    """Identifies what a run begins with: what it minimises, on which samples, how, from where."""
    what = f"{schedule} {identity_of(objective, samples)}"
    return digest(what, start, samples.inputs, samples.labels)


@in_full_float32
def train(
    objective: Objective,
    samples: Samples,
    schedule: Schedule,
    *,
    initial_weights: torch.Tensor | None = None,
    keep: bool = True,
    folder: str | Path | None = None,
    save_every: float = 60.0,
) -> Run:
    """Minimise the objective by SGD and remember the weights before every step.

    One step is ``w <- w - eta_t * c_t * g_t`` with ``g_t`` the gradient of the mean batch loss plus
    ``l2 * w`` and ``c_t = min(1, clip / |g_t|)``.

    Args:
        objective: loss, model and penalty.
        samples: the training samples.
        schedule: step sizes, batches, clip.
        initial_weights: where to start, shape ``[d]``; the model's own weights by default.
        keep: whether to keep the weights before every step, or the first and the last only.
        folder: where to keep them on disk instead of in memory; ``open_run`` reads them again. If
            it holds this very run already, that is returned; if a training that was stopped or
            killed, it goes on, and ends with the same bits.
        save_every: seconds between two states in the folder, looked at after some steps.

    Raises:
        ValueError: if objective, samples and schedule do not fit together, the folder holds
            something else, or the loss stops being finite (the message names the step).
        KeyboardInterrupt: after Ctrl-C; with a folder, when the state has been saved.
    """
    start = starting_weights(objective, samples, initial_weights)
    batches = schedule.batches(len(samples))
    if folder is not None:
        if not keep:
            checks.fail("keep", "True with a folder to keep the weights in", keep)
        return _on_disk(objective, samples, schedule, start, folder, save_every)
    keeper = (paths.InMemory if keep else paths.OnlyEnds)(start, len(batches))
    for stretch, position in walk(objective, samples, schedule, Position(start)):
        keeper.add(stretch.weights)
        end = position
    return finished(objective, samples, schedule, end.clip_factors, keeper.finish(end))


def _on_disk(objective, samples, schedule, start, folder, save_every) -> Run:
    """Train into a folder, or go on with it, unless the run is there."""
    place = checks.folder("folder", folder, make=False)
    origin = origin_of(objective, samples, schedule, start)
    if not paths.holds(place, origin):
        with held(place):
            if not paths.holds(place, origin):  # also not by now
                about = {"schedule": dataclasses.asdict(schedule), "origin": origin}
                keeper = paths.OnDisk(start, place, about, save_every)
                keeper.finish(_kept(keeper, objective, samples, schedule))
    return open_run(place, objective, samples)


def _kept(keeper: paths.OnDisk, objective, samples, schedule) -> Position:
    """Train from where the keeper stands, and save as it goes."""
    end = begin = keeper.position
    with interruptible() as stop:
        for stretch, end in walk(objective, samples, schedule, begin):
            keeper.add(stretch.weights)
            if stop.requested or keeper.due():
                keeper.save(end)
            if stop.requested:
                again = "the same call goes on from there"
                raise KeyboardInterrupt(f"stopped after step {end.t} of the training: {again}")
        if stop.requested:  # before anything was left to do
            raise KeyboardInterrupt("stopped at the end of the training: the same call finishes it")
    return end


def open_run(folder: str | Path, objective: Objective, samples: Samples) -> Run:
    """A run whose weights ``train(..., folder=...)`` has kept on disk.

    Args:
        folder: that was given to ``train``.
        objective: that was given to ``train``.
        samples: that were given to ``train``.

    Raises:
        ValueError: if the folder holds no complete run, or one of another objective or samples.
    """
    objective.check_samples(samples)
    device = objective.initial_weights.device
    path, about = paths.read_spilled(checks.path("folder", folder), device)
    schedule = Schedule(**about["schedule"])
    if about["origin"] != origin_of(objective, samples, schedule, path[0]):
        checks.fail("folder", "a run of this objective and these samples", f"another: {folder}")
    return finished(objective, samples, schedule, about["clip_factors"], path)


def walk(
    objective: Objective,
    samples: Samples,
    schedule: Schedule,
    start: Position,
    description: str = "train",
) -> Iterator[tuple[Stretch, Position]]:
    """Train from a position on, and tell of each stretch when it has been made."""
    batches = on_device(schedule.batches(len(samples)), samples.inputs.device)

    def gradient(w, t):
        inputs, labels = samples.inputs[batches[t]], samples.labels[batches[t]]
        gradient, loss = objective.gradient_and_loss(w, inputs, labels)
        return gradient + objective.l2 * w, loss

    return descend(start, len(batches), schedule, gradient, description)


def finished(objective, samples, schedule, clip_factors, trajectory) -> Run:
    """The run that has been walked to its end."""
    batches = schedule.batches(len(samples))
    steps = schedule.step_sizes(len(batches))
    return Run(objective, samples, schedule, batches, steps, list(clip_factors), trajectory)


def starting_weights(objective: Objective, samples: Samples, given) -> torch.Tensor:
    """Where a run begins: ``given``, or else the model's own weights.

    Raises:
        ValueError: if they, or the samples, do not fit the objective.
    """
    objective.check_samples(samples)
    own = objective.initial_weights
    if given is None:
        return own
    wanted = f"a tensor of shape {list(own.shape)}, {own.dtype} on {own.device}"
    if not isinstance(given, torch.Tensor):
        checks.fail("initial_weights", wanted, type(given).__name__)
    if (given.shape, given.dtype, given.device) != (own.shape, own.dtype, own.device):
        has = f"shape {list(given.shape)}, {given.dtype} on {given.device}"
        checks.fail("initial_weights", wanted, has)
    return given
