"""Minimisers, to stationarity: what stochastic gradient descent only comes near to."""

from dataclasses import dataclass

import torch
from scipy.optimize import minimize

from unlearning.base import checks
from unlearning.base.precision import in_full_float32
from unlearning.curvature.rows import Rows
from unlearning.problem.objective import Objective
from unlearning.problem.samples import Samples
from unlearning.training.retained import retained


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
    ``tolerance``. Where the objective is not convex this is one stationary point of many.

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
    left = retained(n, forget, convention)
    start = objective.initial_weights if start is None else start
    rows = Rows(objective, samples[left.kept], start)
    penalty = left.penalty_weight * objective.l2

    def value_and_gradient(values):
        rows.w = torch.from_numpy(values).to(start.device)
        loss, gradient = rows.loss_and_gradient()
        value = left.loss_weight * loss + penalty / 2 * float(rows.w @ rows.w)
        return value, (left.loss_weight * gradient + penalty * rows.w).cpu().numpy()

    # L-BFGS stops at the largest entry of the gradient, which is at least its norm over sqrt(d).
    options = {"maxiter": maxiter, "maxfun": 2 * maxiter, "ftol": 0.0, "maxcor": 30,
               "gtol": tolerance / objective.dimension**0.5}  # fmt: skip
    found = minimize(value_and_gradient, rows.w.cpu().numpy(), jac=True, method="L-BFGS-B",
                     options=options)  # fmt: skip
    norm = float(torch.linalg.vector_norm(torch.from_numpy(found.jac)))
    if not norm <= tolerance:
        given = f"{norm:.2e} after {found.nit} iterations ({found.message})"
        checks.fail("tolerance", f"a gradient norm of at most {tolerance:g} to be reached", given)
    weights = torch.from_numpy(found.x).to(start.device)
    return Minimum(objective, samples, weights, norm, int(found.nit))
