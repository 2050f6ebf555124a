"""What is promised of the excess population risk after a deletion: proved in chapters 6 and 7.

All constants are known by construction of the problem (``known_risk.Constants``), so that nothing
here looks at a sample. ``theta = m/n`` is the share that is deleted, ``G`` the bound on the
gradient of f, ``D`` and ``E`` bounds on the distances of learned and unlearned from retrained.
"""

import math
from dataclasses import dataclass

from unlearning.base import checks
from unlearning.hfocu.bounds import Bound
from unlearning.problem.known_risk import Constants
from unlearning.training.schedule import Schedule

METHODS = ("HF-OCU", "Newton step", "jackknife", "do nothing")


def recursion(constants: Constants, schedule: Schedule, n: int, deletions: int) -> Bound:
    """Two recursions along full-batch descent from 0, R2, for any forget set.

    With ``share`` the part that is deleted, L the ``curvature``, M the ``third`` and G the
    ``gradient`` of the problem::

        D' = (1 - eta l2) D + eta share G                                    D_0 = E_0 = 0
        E' = (1 - eta l2) E + eta (share L D + (1 - share) M D^2 / 2)

    Unlike the recursion of chapter 5 it takes what is deleted at the retrained weights, which G
    covers as well: so whole batches contract. Its fixed points are ``minimisers_apart`` and the
    ``sensitivity`` of the jackknife.

    Args:
        constants: of the problem.
        schedule: of the run; full batches, step sizes of at most ``1/curvature``, no clip.
        n: number of samples.
        deletions: the most samples that are deleted.

    Raises:
        ValueError: for another schedule, or a number out of its range.
    """
    share = _share(n, deletions)
    changes, errors = [0.0], [0.0]
    for eta in _step_sizes(constants, schedule, n):
        contraction = 1 - eta * constants.l2
        missed = _second_order(constants, share, changes[-1])
        errors.append(contraction * errors[-1] + eta * missed)
        changes.append(contraction * changes[-1] + eta * share * constants.gradient)
    return Bound(changes, errors)


def minimisers_apart(constants: Constants, n: int, deletions: int) -> float:
    """Bound on the distance of the minimisers with and without any ``deletions`` samples.

    ``share G / l2``: at the minimiser without them the mean gradient over all is at most
    ``share G``. Some strongly convex losses attain it.
    """
    return _share(n, deletions) * constants.gradient / constants.l2


def sensitivity(
    method: str, constants: Constants, n: int, deletions: int, schedule: Schedule | None = None
) -> float:
    """Bound on the distance of a method's weights from the retrained ones, for any forget set.

    ``HF-OCU`` and ``do nothing`` are held against the run repeated without the samples, the other
    two, which start from a minimiser, against the minimiser over the samples that stay::

        Newton step      M D^2 / (2 l2)                                 D = minimisers_apart
        jackknife        (theta L D + (1 - theta) M D^2 / 2) / l2

    Args:
        method: one of ``METHODS``.
        constants: of the problem.
        n: number of samples.
        deletions: the most samples that are deleted.
        schedule: of the run, for ``HF-OCU`` and ``do nothing``.

    Raises:
        ValueError: for an unknown method, a missing schedule, or a value out of its range.
    """
    checks.choice("method", method, METHODS)
    if method in ("HF-OCU", "do nothing"):
        if schedule is None:
            checks.fail("schedule", "a Schedule", "none")
        bound = recursion(constants, schedule, n, deletions)
        return (bound.error if method == "HF-OCU" else bound.change)[-1]
    moved = minimisers_apart(constants, n, deletions)
    if method == "Newton step":
        return constants.third * moved**2 / 2 / constants.l2
    return _second_order(constants, deletions / n, moved) / constants.l2


def sekhari_sensitivity(constants: Constants, n: int, deletions: int) -> float:
    """The closed form of Sekhari et al. (2021) for a Newton step, ``2 M m^2 G^2 / (l2^3 n^2)``.

    It is four times the bound that ``sensitivity`` gives.
    """
    share = _share(n, deletions)
    return 2 * constants.third * (share * constants.gradient) ** 2 / constants.l2**3


def optimisation_distance(
    constants: Constants, schedule: Schedule, n: int, deletions: int
) -> float:
    """Bound on the distance of full-batch descent without the samples from where it leads to.

    Raises:
        ValueError: as ``recursion`` does.
    """
    kept = 1 - _share(n, deletions)
    rates = _step_sizes(constants, schedule, n)
    return constants.ball * math.prod(1 - eta * kept * constants.l2 for eta in rates)


@dataclass(frozen=True)
class ExcessBound:
    """A bound on the expected excess risk: ``(sample + optimisation + unlearning)^2 + noise``.

    Attributes:
        sample: root of the bound on the excess risk of the minimiser over the samples that stay.
        optimisation: ``sqrt(L_F/2)`` times the distance of the retrained weights from it.
        unlearning: ``sqrt(L_F/2)`` times the distance of the unlearned from the retrained weights.
        noise: what Gaussian noise costs.
    """

    sample: float
    optimisation: float
    unlearning: float
    noise: float

    @property
    def total(self) -> float:
        """The bound."""
        return (self.sample + self.optimisation + self.unlearning) ** 2 + self.noise


def excess_bound(
    constants: Constants,
    n: int,
    deletions: int,
    *,
    error: float = 0.0,
    optimisation: float = 0.0,
    sigma: float = 0.0,
    any_set: bool = False,
) -> ExcessBound:
    """Bound the expected excess population risk after a deletion.

    Args:
        constants: of the problem.
        n: number of samples, independent draws from the population.
        deletions: how many are deleted; 0 for none.
        error: bound on the distance of the published weights from the retrained ones, before noise.
        optimisation: bound on the distance of the retrained weights from their minimiser.
        sigma: standard deviation of the noise on each weight.
        any_set: whether the forget set may have been picked with all samples in view; otherwise it
            is independent of them.

    Raises:
        ValueError: for a value out of its range.
    """
    checks.integer("deletions", deletions, least=0, most=checks.integer("n", n, least=2) - 1)
    for name, value in (("error", error), ("optimisation", optimisation), ("sigma", sigma)):
        checks.finite(name, value, least=0.0)
    root = math.sqrt(constants.risk_curvature / 2)
    sample = math.sqrt(minimiser_excess(constants, n if any_set else n - deletions))
    if any_set and deletions:
        sample += root * minimisers_apart(constants, n, deletions)
    noise = sigma**2 / 2 * constants.risk_trace
    return ExcessBound(sample, root * optimisation, root * error, noise)


def minimiser_excess(constants: Constants, n: int) -> float:
    """Bound on the expected excess risk of the minimiser over n samples: the smaller of two.

    ``2 G^2 / (l2 n)`` by stability, with G the slope of l alone, and ``L_F V / (2 l2^2 n)`` by the
    gradient at the population's minimiser, with V its variance.
    """
    c = constants
    stable = 2 * c.slope**2 / c.l2
    return min(stable, c.risk_curvature * c.variance / (2 * c.l2**2)) / n


def _second_order(constants: Constants, share: float, moved: float) -> float:
    """What a linearisation leaves out: the curvature that goes, and how the rest's bends."""
    return share * constants.curvature * moved + (1 - share) * constants.third * moved**2 / 2


def _share(n: int, deletions: int) -> float:
    checks.integer("n", n, least=2)
    return checks.integer("deletions", deletions, least=1, most=n - 1) / n


def _step_sizes(constants: Constants, schedule: Schedule, n: int) -> list[float]:
    """Step sizes of a run that stays in the ball."""
    if schedule.batch_size != n or schedule.clip is not None:
        given = f"batches of {schedule.batch_size}, clip {schedule.clip}"
        checks.fail("schedule", f"full batches of {n} without a clip", given)
    if schedule.step_size * constants.curvature > 1 + 1e-12:
        checks.fail("schedule", f"step sizes of at most {1 / constants.curvature:g}",
                    schedule.step_size)  # fmt: skip
    return schedule.step_sizes(schedule.epochs)
