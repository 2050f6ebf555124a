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
        return _softmax_contraction(at, eta, run.objective.l2, method)
    return spectrum.step_norm(*at, eta, clip_factor=factor, method=method)


def _softmax_contraction(at, eta: float, l2: float, method: str) -> float:
    """The same from the largest eigenvalue alone, or from less where that is enough.

    The smallest is the penalty's, as the same vector added to the weights of all classes changes no
    loss; Lanczos would be long in telling those above it apart. The largest is at most that of the
    penalty plus half the mean of ``|x|^2 + 1``.
    """
    lower = abs(1 - eta * l2)
    most = l2 + float(1 + at[2].flatten(1).square().sum(1).mean()) / 2
    if abs(1 - eta * most) <= lower:
        return lower
    return max(lower, abs(1 - eta * spectrum.largest_eigenvalue(*at, method=method)))


def products_after(factors: Sequence[float]) -> list[float]:
    """The product of the factors of the steps ``t .. T - 1``, for t = 0 .. T; the last is 1."""
    products = [1.0]
    for factor in reversed(factors):
        products.append(products[-1] * factor)
    return products[::-1]
