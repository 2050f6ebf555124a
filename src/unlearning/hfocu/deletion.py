"""Deleting samples: one vector addition."""

import torch

from unlearning.base import checks
from unlearning.base.accumulate import ExactSum
from unlearning.hfocu.approximators import Approximators
from unlearning.training.trajectory import Run


def forget(run: Run, approximators: Approximators, samples) -> torch.Tensor:
    """The weights after deleting ``samples``: learned weights plus their approximators.

    The sum is exact (``base/accumulate``), so the order of the samples cannot change a bit of it.

    Args:
        run: the run that the approximators were recollected from.
        approximators: one per sample; or per set, and then ``samples`` must be one of the sets.
        samples: distinct sample numbers.

    Returns:
        The unlearned weights, shape ``[d]``, in the run's dtype.

    Raises:
        ValueError: if the approximators belong to another run, the samples are not a valid set, the
            set was not recollected, or the sum would leave the range where it is exact.
    """
    checks.instance("run", run, Run, "an unlearning.Run, as train gives it")
    checks.instance("approximators", approximators, Approximators, "those that recollect gives")
    if approximators.fingerprint != run.fingerprint:
        expected = f"those of this run ({run.fingerprint})"
        checks.fail("approximators", expected, f"those of run {approximators.fingerprint}")
    samples = checks.forget_set("samples", samples, len(run.samples))
    return ExactSum(run.weights).add(approximators.rows(samples)).value
