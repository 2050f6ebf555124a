"""Recollecting approximators: one vector per sample, or per set, by an affine recursion along SGD.

The recursion itself is in ``recursion``; here is where its steps come from (a run that was kept, or
training as it happens), which rows are computed at once, and where they go.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch

from unlearning.base import checks
from unlearning.base.precision import in_full_float32
from unlearning.hfocu.approximators import Approximators
from unlearning.hfocu.job import Job
from unlearning.hfocu.settings import Settings
from unlearning.hfocu.sources import Along, Replay
from unlearning.hfocu.steps import QUIRKS
from unlearning.problem.objective import Objective
from unlearning.problem.samples import Samples
from unlearning.training.schedule import Schedule
from unlearning.training.trajectory import Run, starting_weights

#: The released behaviour: ``recollect(run, convention="R2", quirks=AS_RELEASED)``.
AS_RELEASED = tuple(QUIRKS)


@in_full_float32
def recollect(
    run: Run,
    *,
    sets: Sequence[Sequence[int]] | None = None,
    convention: str = "R2",
    quirks: Iterable[str] = (),
    kernel: str = "auto",
    chunk: int | None = None,
    memory: str | int | None = None,
    folder: str | Path | None = None,
    storage: str | None = None,
    save_every: float = 60.0,
    part: tuple[int, int] = (1, 1),
) -> Approximators:
    """Walk along a run and compute the approximator of every sample, or of some sets.

    The recursion is linear, so the vector of a set is the sum of its samples' vectors; asking for
    K sets costs K vectors instead of n.

    With a ``folder``, the vectors are written there and read row by row when they are used. Rows
    that do not fit into the memory together are computed in groups. The state is saved as it goes:
    the same call goes on after a kill, and ends with the same bits. Ctrl-C saves, and stops.

    Args:
        run: from ``train``, with its weights at every step.
        sets: lists of sample numbers, one vector each; by default one vector per sample.
        convention: which retraining to approximate, ``R1``, ``R2`` or ``R3``.
        quirks: names out of ``QUIRKS``; ``AS_RELEASED`` for all.
        kernel: how products with the Hessian are computed: ``softmax``, ``layers``, ``generic``, or
            the fastest that the model allows.
        chunk: how many vectors are worked on at once; by default a number that suits the model.
        memory: what may be taken, such as ``"2GiB"``, beside the run itself; by default nearly all
            that is free.
        folder: where to write to; in memory if None.
        storage: ``float32``, ``float64`` or ``bfloat16`` for the folder; the run's own by default.
        save_every: seconds between two states in the folder, looked at after each step, or after
            some that are made together; as long as saving takes, if that is more.
        part: ``(i, k)`` computes the i-th of k parts of the rows only; ``merge_parts`` joins them.

    Returns:
        The approximators, on the run's device; in the run's dtype, or as they are stored.

    Raises:
        ValueError: for an unknown name, an invalid set, too little memory (the message says what
            is needed), a folder of something else, or a result that is not finite (the message
            names the step and the sample).
        KeyboardInterrupt: after Ctrl-C, when the state has been saved.
    """
    checks.instance("run", run, Run, "an unlearning.Run, as train gives it")
    settings = Settings(sets, convention, quirks, kernel, chunk, memory, folder, storage,
                        save_every, part)  # fmt: skip
    return Job(Replay(run), settings).result()


@in_full_float32
def train_and_recollect(
    objective: Objective,
    samples: Samples,
    schedule: Schedule,
    *,
    initial_weights: torch.Tensor | None = None,
    **settings,
) -> tuple[Run, Approximators]:
    """Train, and recollect along the way: no weights but the ends are kept.

    Args:
        objective: as for ``train``.
        samples: as for ``train``.
        schedule: as for ``train``.
        initial_weights: as for ``train``.
        settings: as for ``recollect``. All rows are held at once, so that ``memory`` must
            allow for n times d numbers (or K times d).

    Returns:
        The run, which has both its ends, and the approximators.

    Raises:
        ValueError: as ``train`` and ``recollect`` do.
    """
    start = starting_weights(objective, samples, initial_weights)
    source = Along(objective, samples, schedule, start)
    approximators = Job(source, Settings.of(**settings)).result()
    return source.end(), approximators
