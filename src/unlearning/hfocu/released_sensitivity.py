"""The sensitivity that the released code scales its noise by, in closed form: not a bound.

With q the decay, C the clip, T the number of steps and B that of the batches of an epoch::

    b = 2 eta^2 C (1 - q) [ (rho^T - q^T) / (rho - q) - (rho^T - q^(2 T)) / (rho - q^2) ]
      + 2 eta C (m / |B|) rho^B q^B (rho^T - q^T) / (rho^B - q^B)

``utils/perturbation.py`` of XinbaoQiao/Hessian-Free-Certified-Unlearning at a486d55, written anew
from the formula. The first term adds up ``rho^(T-1-t) eta_t`` times ``2 C`` times the length of the
way until step t, which is ``eta (1 - q^t) / (1 - q)``: where that divides by 1 - q, the code
multiplies by it.
"""

import math

from unlearning.base import checks


def released_sensitivity(
    step_size: float,
    decay: float,
    *,
    clip: float,
    deletions: int,
    batch_size: int,
    n: int,
    epochs: int,
    radius: float = 1.0,
    corrected: bool = False,
) -> float:
    """The released closed form of the sensitivity, named as what it is.

    It takes ``T = n (epochs + 1) / batch_size``, one epoch more than are made, and lacks a constant
    of smoothness; both stay as they are.

    Args:
        step_size: eta of the first step.
        decay: q, below 1: the form divides by zero at 1.
        clip: C, which stands for the largest gradient norm.
        deletions: m.
        batch_size: ``|B|``.
        n: number of samples.
        epochs: passes over the data.
        radius: rho, which the released power iteration gives as 1 for every model.
        corrected: divide the first term by 1 - q, as its geometric series asks for.

    Raises:
        ValueError: for a value out of its range, where the form divides by zero (q = 1, rho = q or
            rho = q^2), or where the result is not finite.
    """
    checks.finite("step_size", step_size, above=0.0)
    if checks.finite("decay", decay, above=0.0) >= 1:
        checks.fail("decay", "a factor below 1 (the form divides by zero at 1)", decay)
    checks.finite("clip", clip, above=0.0)
    checks.integer("n", n, least=1)
    checks.integer("deletions", deletions, least=1, most=n)
    checks.integer("batch_size", batch_size, least=1, most=n)
    checks.integer("epochs", epochs, least=1)
    if checks.finite("radius", radius, above=0.0) in (decay, decay**2):
        checks.fail("radius", "neither decay nor its square (the form divides by zero)", radius)
    steps, per_epoch = n * (epochs + 1) / batch_size, math.ceil(n / batch_size)
    try:
        ways = _ratio(radius, decay, steps) - _ratio(radius, decay**2, steps)
        first = ways / (1 - decay) if corrected else ways * (1 - decay)
        epoch = (radius * decay) ** per_epoch
        uses = epoch * _ratio(radius**per_epoch, decay**per_epoch, steps / per_epoch)
    except OverflowError:
        checks.fail("radius", "one whose powers are finite", radius)
    return 2 * step_size * clip * (step_size * first + deletions / batch_size * uses)


def _ratio(a: float, b: float, power: float) -> float:
    """``(a^power - b^power) / (a - b)``, a geometric series for a whole power."""
    return (a**power - b**power) / (a - b)
