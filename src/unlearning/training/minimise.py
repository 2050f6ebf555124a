"""Minimisers, to stationarity: what stochastic gradient descent only comes near to."""

from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import minimize

from unlearning.base import checks
from unlearning.base.precision import in_full_float32
from unlearning.curvature.rows import Rows
from unlearning.curvature.solve import UnsolvedError, solve
from unlearning.curvature.system import System
from unlearning.problem.objective import Objective
from unlearning.problem.samples import Samples
from unlearning.training.retained import Retained, retained


@dataclass(frozen=True, eq=False)
class Minimum:
    """A stationary point of an objective over samples.

    Attributes:
        objective: what was minimised, unless samples were left out.
        samples: over which rows, those left out included.
        weights: the stationary point, shape ``[d]``, float64.
        gradient_norm: of the minimised function there.
        iterations: of L-BFGS.
    """

    objective: Objective
    samples: Samples
    weights: torch.Tensor
    gradient_norm: float
    iterations: int


@in_full_float32
def minimise(
    objective: Objective,
    samples: Samples,
    *,
    forget=(),
    convention: str = "R2",
    start: torch.Tensor | None = None,
    tolerance: float = 1e-8,
    maxiter: int = 5000,
) -> Minimum:
    """Minimise the mean objective, or what is left of it without some samples.

    By L-BFGS (SciPy) over all rows at once, in float64, until the gradient's norm is at most
    ``tolerance``, with Newton's method for the last digits. Where the objective is not convex this
    is one stationary point of many.

    Args:
        objective: loss, model and penalty.
        samples: the rows.
        forget: rows left out; then the function is that of ``Retained`` under the convention.
        convention: ``R1``, ``R2`` or ``R3``.
        start: where to begin, shape ``[d]``; the model's own weights by default.
        tolerance: the largest norm of the gradient.
        maxiter: the most iterations.

    Raises:
        ValueError: for an invalid set or convention, or if the gradient's norm stays above the
            tolerance: the message says where it ended.
    """
    checks.finite("tolerance", tolerance, above=0.0)
    checks.integer("maxiter", maxiter, least=1)
    n = len(samples)
    forget = checks.forget_set("forget", forget, n) if len(forget) else []
    start = objective.initial_weights if start is None else start
    function = _Function(objective, samples, retained(n, forget, convention), start)
    # L-BFGS stops at the largest entry of the gradient, which is at least its norm over sqrt(d).
    options = {
        "maxiter": maxiter, "maxfun": 2 * maxiter, "maxcor": 30, "ftol": 0.0,
        "gtol": tolerance / objective.dimension**0.5,
    }  # fmt: skip
    first = function.rows.w.cpu().numpy()
    found = minimize(function, first, jac=True, method="L-BFGS-B", options=options)
    weights, norm = function.polished(torch.from_numpy(found.x).to(start.device), tolerance)
    if not norm <= tolerance:
        given = f"{norm:.2e} after {found.nit} iterations ({found.message})"
        checks.fail("tolerance", f"a gradient norm of at most {tolerance:g} to be reached", given)
    return Minimum(objective, samples, weights, norm, int(found.nit))


class _Function:
    """What is left of an objective, with its gradient and Hessian."""

    def __init__(self, objective: Objective, samples: Samples, left: Retained, w: torch.Tensor):
        self.rows = Rows(objective, samples[left.kept], w)
        self.left, self._original = left, objective
        self._penalty = left.penalty_weight * objective.l2

    def __call__(self, values: np.ndarray) -> tuple[float, np.ndarray]:
        """Value and gradient, as SciPy wants them."""
        value, gradient = self.at(torch.from_numpy(values).to(self.rows.w))
        return value, gradient.cpu().numpy()

    def at(self, w: torch.Tensor) -> tuple[float, torch.Tensor]:
        self.rows.w = w
        loss, gradient = self.rows.loss_and_gradient()
        value = self.left.loss_weight * loss + self._penalty / 2 * float(w @ w)
        return value, self.left.loss_weight * gradient + self._penalty * w

    def polished(self, w: torch.Tensor, tolerance: float) -> tuple[torch.Tensor, float]:
        """``w`` after a few Newton steps if it needs them, with the gradient's norm there.

        Values of the function are rounded, so L-BFGS, which compares them, stops at gradients of
        about 1e-8; Newton's method looks at gradients alone.
        """
        best = w, self._slope(w)
        for _ in range(3):
            if best[1] <= tolerance:
                break
            try:
                moved = best[0] - self._newton(best[0])
            except UnsolvedError:  # no minimum is near, or a flat one
                break
            best = min(best, (moved, self._slope(moved)), key=lambda found: found[1])
        return best

    def _slope(self, w: torch.Tensor) -> float:
        return float(torch.linalg.vector_norm(self.at(w)[1]))

    def _newton(self, w: torch.Tensor) -> torch.Tensor:
        weights = {
            "loss_weight": self.left.loss_weight,
            "penalty_weight": self.left.penalty_weight,
        }
        system = System(self._original, self.rows.samples, w, **weights)
        return solve(system, self.at(w)[1], solver="cg", rtol=1e-6).x
