"""What rounding may add to a bound that is proved for exact arithmetic.

Two kinds. Sums on the grid of ``base/accumulate`` are exact, so all that is lost is lost when a
summand is put on the grid: at most 2^-41 a weight, which is proved. The steps of the run, of the
retraining and of the recollection are rounded as they go. Each computed step is taken to lie within
``local`` of the exact one, by the usual model of rounding (a sum of n terms, in any order, is off
by at most n units in the last place of the sum of their sizes; exp and log by a few). Then

    D' = growth D + eta source + 2 local                                  (learned and retrained)
    E' = contraction E + eta ((lipschitz / 2) D^2 + forgotten D) + 3 local    (and recollected)

as in ``bounds``, along the computed weights: what a step adds is carried on like any error.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from unlearning.base import accumulate
from unlearning.hfocu.bounds import StepConstants, walk
from unlearning.hfocu.premises import Premises

#: Half a unit in the last place, as a share: float64.
UNIT = 2.0**-53
#: exp, log, the division by the batch size, the step itself; and the steps of a fused recollection.
SPARE = 4


def with_roundoff(steps: Sequence[StepConstants], premises: Premises, deletions: int) -> float:
    """The bound on what is published, in the arithmetic in which it is computed.

    Args:
        steps: with constants for every forget set of at most ``deletions`` samples.
        premises: of the run; tell how long gradients and sums can be.
        deletions: the most samples that are deleted.

    Returns:
        A bound on the distance of the unlearned from the retrained weights, both on the grid.
    """
    local = _local(steps, premises, deletions)
    pairs = list(zip(steps, local, strict=True))
    moved = [replace(s, source=s.source + 2 * own / s.step_size) for s, own in pairs]
    carried = 0.0
    for step, own in pairs:
        carried = step.contraction * carried + 3 * own
    return walk(moved).error[-1] + carried + _on_grid(premises.dimension, deletions)


def _local(steps: Sequence[StepConstants], premises: Premises, deletions: int) -> list[float]:
    """How far one computed step may lie from the exact one, for each of the steps.

    The weights and their gradient are at most as long as the start and the whole way so far, the
    retrained ones longer by ``change``; an error in the logits reaches the gradient with the
    smoothness. The approximators of a set, taken together, are no longer than ``change``.
    """
    terms = min(premises.schedule.batch_size, premises.n) + premises.features + premises.classes
    unit = SPARE * terms * UNIT
    reach, found = premises.start, []
    public = premises.steps(deletions)
    changes = walk(steps).change[:-1]
    for step, change, known in zip(steps, changes, public, strict=True):
        reach += step.step_size * known.gradient
        stretch = 1 + step.step_size * step.largest
        found.append(unit * (stretch * (reach + change) + step.step_size * step.source))
    return found


def _on_grid(dimension: int, deletions: int) -> float:
    """The learned weights and every approximator on the one side, the retrained on the other."""
    return math.sqrt(dimension) * (deletions + 2) * accumulate.GRID / 2
