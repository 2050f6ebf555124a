"""How a run's steps stretch what entered before them: step by step, and as a product."""

from collections.abc import Sequence

from unlearning.base.progress import track
from unlearning.curvature import products, spectrum
from unlearning.training.trajectory import Run


def contractions(run: Run, *, method: str = "auto") -> list[float]:
    """``|I - eta_t J_t|_2`` of each step, for any model, with the clip idle or active.

    Args:
        run: with its weights at every step.
        method: ``dense``, ``lanczos`` or ``auto`` (``curvature.spectrum``).

    Raises:
        ValueError: if the run did not keep its weights, or Lanczos does not converge.
    """
    steps = track(range(len(run)), "spectrum", len(run))
    return [_contraction(run, t, method) for t in steps]


def _contraction(run: Run, t: int, method: str) -> float:
    rows = run.samples[run.batches[t]]
    at = (run.objective, run.weights_at(t), rows.inputs, rows.labels)
    eta, factor = run.step_sizes[t], run.clip_factors[t]
    if factor == 1.0 and products.kernel_for(run.objective) == "softmax":
        # The same vector added to the weights of all classes changes no loss, so that the smallest
        # eigenvalue is the penalty's; Lanczos would be long in telling those above it apart.
        top = spectrum.largest_eigenvalue(*at, method=method)
        return max(abs(1 - eta * run.objective.l2), abs(1 - eta * top))
    return spectrum.step_norm(*at, eta, clip_factor=factor, method=method)


def products_after(factors: Sequence[float]) -> list[float]:
    """The product of the factors of the steps ``t .. T - 1``, for t = 0 .. T; the last is 1."""
    products = [1.0]
    for factor in reversed(factors):
        products.append(products[-1] * factor)
    return products[::-1]
