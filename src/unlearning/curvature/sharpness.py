"""How sharp the mean objective is at a point, in all weights or in a set S of them.

With ``g`` the gradient and ``H`` the Hessian of ``F = mean loss + l2/2 |w|^2`` at ``w``::

    rise of S       max of F(w + v) - F(w) over v with |v| <= rho and support in S
    by a quadratic  at most rho |g_S| + rho^2/2 lambda_max(H_SS); equal where g_S = 0
    on average      rho^2/2 trace(H_SS) / |S| over random directions and their opposites
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

from unlearning.base import checks
from unlearning.base.precision import in_full_float32
from unlearning.curvature.coordinates import coordinates
from unlearning.curvature.diagonal import diagonal
from unlearning.curvature.landscape import Landscape
from unlearning.curvature.restricted import Restricted
from unlearning.curvature.system import System
from unlearning.problem.objective import Objective
from unlearning.problem.samples import Samples

# Up to this many weights the matrix is written out.
_DENSE_UP_TO = 128
# Residual of an eigenvector beside its eigenvalue.
_TOLERANCES = {torch.float64: 1e-8, torch.float32: 1e-4}


class Top(NamedTuple):
    """The largest eigenvalue of ``H_SS``.

    Attributes:
        value: lambda_max.
        direction: its eigenvector, of norm 1 and zero outside S, shape ``[d]``.
        products: Hessian-vector products over all samples that were taken.
    """

    value: float
    direction: torch.Tensor
    products: int


class Rise(NamedTuple):
    """By how much the objective rises within a distance rho.

    Attributes:
        worst: the largest rise that was found; no more is proved of it.
        first_order: the rise at ``rho g_S/|g_S|``, where one step of SAM looks; 0 where g_S = 0.
        predicted: the most that the quadratic with this gradient and lambda_max allows.
        displacement: where ``worst`` was found, shape ``[d]``.
        gradient_norm: ``|g_S|``.
        curvature: ``lambda_max(H_SS)``.
        products: Hessian-vector products over all samples that were taken.
        passes: gradients over all samples that were taken.
    """

    worst: float
    first_order: float
    predicted: float
    displacement: torch.Tensor
    gradient_norm: float
    curvature: float
    products: int
    passes: int


@in_full_float32
def top_curvature(
    objective: Objective,
    samples: Samples,
    w: torch.Tensor,
    indices=None,
    *,
    penalty: bool = True,
    dtype: torch.dtype = torch.float64,
) -> Top:
    """``lambda_max(H_SS)`` by products with vectors that are zero outside S.

    Args:
        objective: loss, model and penalty.
        samples: the rows over which the mean is taken.
        w: the point, shape ``[d]``.
        indices: S, numbers of weights; all by default.
        penalty: whether ``l2 I`` is in H.
        dtype: ``torch.float64``, whatever the weights come in, or ``torch.float32``.

    Raises:
        ValueError: for a set that is none, values that do not fit together, a Hessian that is not
            finite, or a Lanczos iteration that does not converge.
    """
    weight = float(checks.boolean("penalty", penalty))
    system = System(objective, samples, w, penalty_weight=weight, dtype=dtype)
    block = Restricted(system, coordinates("indices", indices, len(w), w.device))
    value, vector = (_dense_top if block.dimension <= _DENSE_UP_TO else _lanczos_top)(block)
    return Top(value, block.embedded(vector[None])[0], system.products)


def trace(
    objective: Objective,
    samples: Samples,
    w: torch.Tensor,
    indices=None,
    *,
    penalty: bool = True,
    dtype: torch.dtype = torch.float64,
) -> float:
    """``trace(H_SS)`` from the exact diagonal; the arguments are those of ``top_curvature``.

    Raises:
        ValueError: for a set that is none, or values that do not fit together.
    """
    shift = objective.l2 if checks.boolean("penalty", penalty) else 0.0
    found = diagonal(objective, samples, w, indices=indices, dtype=dtype).values
    return float(found.sum()) + shift * len(found)


@in_full_float32
def worst_rise(
    objective: Objective,
    samples: Samples,
    w: torch.Tensor,
    rho: float,
    indices=None,
    *,
    steps: int = 10,
    penalty: bool = True,
    dtype: torch.dtype = torch.float64,
) -> Rise:
    """The largest rise of the objective within rho of ``w``, moving the weights of S alone.

    From ``rho g_S/|g_S|`` and from both ends of the top eigenvector of ``H_SS`` it goes uphill by
    projected gradients, whose step halves where it did not rise and doubles where it did.

    Args:
        objective: loss, model and penalty.
        samples: the rows over which the mean is taken.
        w: the point, shape ``[d]``.
        rho: the radius, above 0.
        indices: S, numbers of weights; all by default.
        steps: of projected ascent from each start; 0 for none.
        penalty: whether ``l2/2 |w|^2`` is part of what rises.
        dtype: ``torch.float64``, whatever the weights come in, or ``torch.float32``.

    Raises:
        ValueError: for a value out of its range, or as ``top_curvature`` does.
    """
    rho = checks.finite("rho", rho, above=0.0)
    checks.integer("steps", steps, least=0)
    options = {"penalty": penalty, "dtype": dtype}
    top = top_curvature(objective, samples, w, indices, **options)
    ascent = _Ascent(Landscape(objective, samples, w, **options), indices, rho)
    slope = float(torch.linalg.vector_norm(ascent.gradient))
    starts = [rho * top.direction, -rho * top.direction]
    first = 0.0
    if slope > 0:
        starts.insert(0, rho / slope * ascent.gradient)
        first = ascent.rise(starts[0])[0]
    worst, place = max((ascent.climb(start, steps) for start in starts), key=lambda found: found[0])
    if not worst > 0:  # a maximum: nowhere is worse than here
        worst, place = 0.0, torch.zeros_like(place)
    predicted = _predicted(rho, slope, top.value)
    passes = ascent.landscape.passes
    return Rise(worst, first, predicted, place, slope, top.value, top.products, passes)


def _predicted(rho: float, slope: float, curvature: float) -> float:
    """Largest value of ``r slope + r^2/2 curvature`` for r up to rho."""
    r = rho if curvature >= 0 else min(rho, slope / -curvature)
    return r * slope + r * r / 2 * curvature


class _Ascent:
    """Uphill within a ball around a point, moving the weights of S alone."""

    def __init__(self, landscape: Landscape, indices, rho: float):
        self.landscape, self._rho = landscape, rho
        self._mask = torch.zeros_like(landscape.w)
        self._mask[coordinates("indices", indices, len(landscape.w), landscape.w.device)] = 1.0
        self._here, gradient = landscape.value_and_gradient(landscape.w)
        self.gradient = self._mask * gradient

    def rise(self, v: torch.Tensor) -> tuple[float, torch.Tensor]:
        """``F(w + v) - F(w)``, with the gradient there."""
        value, gradient = self.landscape.value_and_gradient(self.landscape.w + v)
        rise = value - self._here
        if not (math.isfinite(rise) and bool(gradient.isfinite().all())):
            checks.fail("rho", "a radius within which the objective stays finite", self._rho)
        return rise, self._mask * gradient

    def climb(self, v: torch.Tensor, steps: int) -> tuple[float, torch.Tensor]:
        """The rise that is reached from ``v``, and where."""
        rise, gradient = self.rise(v)
        size = float(torch.linalg.vector_norm(gradient))
        if size == 0:
            return rise, v
        step = self._rho / size
        for _ in range(steps):
            moved = v + step * gradient
            moved /= max(1.0, float(torch.linalg.vector_norm(moved)) / self._rho)
            higher, there = self.rise(moved)
            better = higher > rise
            step *= 2.0 if better else 0.5
            if better:
                v, rise, gradient = moved, higher, there
        return rise, v


def _finite(products: torch.Tensor) -> torch.Tensor:
    if not bool(products.isfinite().all()):
        checks.fail("w", "a point at which the Hessian is finite", "NaN or infinity in it")
    return products


def _dense_top(block: Restricted) -> tuple[float, torch.Tensor]:
    matrix = _finite(block.dense())
    values, vectors = torch.linalg.eigh((matrix + matrix.T) / 2)
    return float(values[-1]), vectors[:, -1]


def _lanczos_top(block: Restricted) -> tuple[float, torch.Tensor]:
    w, k = block.rows.w, block.dimension
    kind = torch.empty(0, dtype=w.dtype).numpy().dtype

    def apply(v: np.ndarray) -> np.ndarray:
        given = torch.from_numpy(np.ascontiguousarray(v.reshape(1, -1), dtype=kind))
        return _finite(block.multiply(given.to(w.device)))[0].cpu().numpy()

    start = np.random.default_rng(0).standard_normal(k).astype(kind)
    if not apply(start).any():
        return 0.0, torch.from_numpy(start / np.linalg.norm(start)).to(w)
    tolerance = _TOLERANCES[w.dtype]
    operator = LinearOperator((k, k), matvec=apply, dtype=kind)
    try:
        (value,), vectors = eigsh(operator, k=1, which="LA", v0=start, tol=tolerance / 10)
    except ArpackError as error:
        checks.fail("indices", "a set for which Lanczos converges", str(error))
    vector = vectors[:, 0]
    residual = float(np.linalg.norm(apply(vector) - value * vector))
    if residual > tolerance * abs(float(value)):
        wanted = f"a set for which Lanczos leaves a relative residual of {tolerance:g}"
        checks.fail("indices", wanted, f"{residual:.1e} beside {value:.3e}")
    return float(value), torch.from_numpy(np.ascontiguousarray(vector)).to(w)
