"""One Newton step instead of retraining, and its cheaper relative, the infinitesimal jackknife.

Let ``F(w) = mean of l_i(w) over n samples + l2/2 |w|^2``, w the learned weights, U a set of m
samples to delete, and ``F_c`` the objective that is left under convention c (see
``training/retained``)::

    F_1 = 1/(n-m) * sum_K l_i + l2/2 |w|^2              (R1; K: the samples that stay)
    F_2 = 1/n * sum_K (l_i + l2/2 |w|^2)                (R2; (n-m)/n times F_1)
    F_3 = 1/n * sum_K l_i + l2/2 |w|^2                  (R3)

With ``G = grad F(w)`` and ``S = sum over u in U of s_u``, where ``s_u = grad l_u + l2 w`` under R1
and R2 and ``s_u = grad l_u`` under R3, the retained gradient is exactly ::

    grad F_1 = (n G - S) / (n-m),      grad F_2 = G - S/n,      grad F_3 = G - S/n

The published updates assume that w is stationary, G = 0. Then only the terms in S are left.
"""

from dataclasses import dataclass

import torch

from unlearning.base import checks
from unlearning.base.precision import in_full_float32
from unlearning.baselines.settings import Settings
from unlearning.curvature.rows import Rows
from unlearning.curvature.solve import Solution, solve
from unlearning.curvature.system import System
from unlearning.training.retained import Learned, retained


@dataclass(frozen=True, eq=False)
class Update:
    """Unlearned weights, and what the system that gave them has cost.

    Attributes:
        weights: shape ``[d]``, in the dtype of the learned weights.
        residual: ``|b - A x| / |b|`` of the system that was solved.
        iterations: of conjugate gradients; 0 for the dense solver.
        products: products of the matrix with a vector.
    """

    weights: torch.Tensor
    residual: float
    iterations: int
    products: int


@in_full_float32
def newton_step(learned: Learned, forget, **settings) -> Update:
    """One step of Newton's method on the retained objective (Sekhari et al. 2021).

    ``w - (hessian of F_c + damping I)^{-1} g``, with the retained gradient g in one of two forms::

        one_term    g = -S/(n-m) under R1, -S/n under R2 and R3      (as published: G = 0)
        full        g = grad F_c(w)

    On a quadratic the full form without damping is the minimiser of F_c, wherever w is; at the
    minimiser of F the two forms are equal. Without damping R1 and R2 are equal, too. Damping is
    added to the Hessian of F_c as it stands, so that gamma under R2 does what gamma n/(n-m) does
    under R1.

    Args:
        learned: a ``Run`` or a ``Minimum``: anything with ``objective``, ``samples``, ``weights``.
        forget: sample numbers, distinct.
        settings: ``convention`` (R1, R2, R3; R2 by default), ``form`` (``one_term``, ``full``),
            ``damping`` (0), ``curvature`` (``hessian``, ``ggn``), ``solver`` (``dense``, ``cg``)
            with ``rtol`` (1e-10) and ``maxiter`` (1000), ``dtype`` (float64) of the system,
            ``batch`` (1024) samples looked at together, ``prepared`` (a ``Prepared`` of the same
            ``learned``, for the dense solver), and ``quirks``: names out of ``NEWTON_QUIRKS``. With
            ``broadcast_step`` the step is spread as the released code spreads it, ``mean_gradient``
            divides S by m, ``no_penalty`` sets l2 = 0 here, ``double_damping`` doubles the damping.
            The released code also leaves dropout on; models are evaluated without it here.

    Raises:
        UnsolvedError: (a ``ValueError``) if the matrix is not positive definite, or conjugate
            gradients do not converge.
        ValueError: for an invalid set or setting.
    """
    request = _Request(learned, forget, Settings(**settings))
    left = request.left
    # grad F_1 is n/(n-m) times what it is under R2.
    factor = len(request.samples) / len(left.kept) if request.settings.convention == "R1" else 1.0
    weights = left.loss_weight, left.penalty_weight
    return request.update(request.forget, weights, removal=factor, drift=factor)


@in_full_float32
def infinitesimal_jackknife(learned: Learned, forget, **settings) -> Update:
    """Extrapolate along the derivative of the minimiser (Suriyakumar and Wilson 2022).

    Let the samples of U keep a share h of their weight. At a minimiser of F, minus the derivative
    of the minimiser with respect to h at h = 1 is ``H^{-1} S/n``. Its H is the Hessian of F, which
    depends neither on U nor on the convention, so that it can be factored before any request::

        one_term    w + (H + damping I)^{-1} S/n                                (as published)
        full        w + (H + damping I)^{-1} (S/n - G)            under R2 and R3
                    w + (H + damping I)^{-1} (S/n - (1 + m/n) G)  under R1

    The full form takes the Newton step of F on top, which is 0 where w is stationary. More exactly,
    it is the retained gradient, linearised in h, that the system is solved for. Under R1 its
    derivative is ``-(1/n) sum_U (grad l_u - mean of grad l)``, and the mean is ``G - l2 w``.

    Args:
        learned: as for ``newton_step``.
        forget: as for ``newton_step``.
        settings: as for ``newton_step``.

    Raises:
        UnsolvedError: as ``newton_step`` does.
        ValueError: for an invalid set or setting.
    """
    request = _Request(learned, forget, Settings(**settings))
    deleted = len(request.forget) / len(request.samples)
    drift = 1.0 + deleted if request.settings.convention == "R1" else 1.0
    return request.update([], (1.0, 1.0), removal=1.0, drift=drift)


class _Request:
    """A deletion, with all that both updates need."""

    def __init__(self, learned: Learned, forget, settings: Settings):
        for name in ("objective", "samples", "weights"):
            if not hasattr(learned, name):
                checks.fail("learned", f"a Run or a Minimum, with {name}", type(learned).__name__)
        self.objective, self.samples = learned.objective, learned.samples
        self.w, self.settings = learned.weights, settings
        self.forget = checks.forget_set("forget", forget, len(self.samples))
        settings.check_prepared(learned)
        self.left = retained(len(self.samples), self.forget, settings.convention)
        self._penalty = self.objective.l2 if settings.penalised else 0.0

    def update(
        self, forget: list[int], weights: tuple[float, float], removal: float, drift: float
    ) -> Update:
        """``w + A^{-1} (removal S/n - drift G)``, the last term in the full form only.

        A is over all samples but ``forget``, with ``weights`` on loss and penalty.
        """
        b = removal * self._removed()
        if self.settings.form == "full":
            b -= drift * self._gradient(self.samples, self._penalty)
        found = self._solved(forget, weights, b)
        step = found.x
        if "broadcast_step" in self.settings.quirks:
            step = self._broadcast(step)
        weights = (self.w.to(step) + step).to(self.w)
        return Update(weights, found.residual, found.iterations, found.products)

    def _removed(self) -> torch.Tensor:
        """``S / n``, or with ``mean_gradient`` ``S / (m n)``."""
        shared = self.settings.convention != "R3"
        mean = self._gradient(self.samples[self.forget], self._penalty if shared else 0.0)
        count = 1 if "mean_gradient" in self.settings.quirks else len(self.forget)
        return count / len(self.samples) * mean

    def _gradient(self, samples, penalty: float) -> torch.Tensor:
        """Mean gradient over some samples, with a penalty."""
        rows = self._over(Rows, samples)
        return rows.loss_and_gradient()[1] + penalty * rows.w

    def _solved(self, forget: list[int], weights: tuple[float, float], b) -> Solution:
        settings, prepared = self.settings, self.settings.prepared
        loss_weight, penalty_weight = weights
        if prepared is not None:
            shift = penalty_weight * self._penalty + settings.shift
            factor, products = prepared.factor(forget, loss_weight, shift)
            return factor.solve(b, products=products)
        rows = self.samples[self.left.kept] if forget else self.samples
        system = self._over(
            System,
            rows,
            damping=settings.shift,
            curvature=settings.curvature,
            loss_weight=loss_weight,
            penalty_weight=penalty_weight if settings.penalised else 0.0,
        )
        return solve(
            system, b, solver=settings.solver, rtol=settings.rtol, maxiter=settings.maxiter
        )

    def _over(self, kind, samples, **more):
        """Rows or a system at the learned weights."""
        settings = self.settings
        return kind(
            self.objective, samples, self.w, dtype=settings.dtype, batch=settings.batch, **more
        )

    def _broadcast(self, step: torch.Tensor) -> torch.Tensor:
        tensors = self.objective.unflatten(step).values()
        return torch.cat([step[j].expand(part.numel()) for j, part in enumerate(tensors)])
