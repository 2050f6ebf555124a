"""A change of the training data, with what all corrections of the model for it have in common.

Let ``F(w) = mean of l_i(w) over n samples + l2/2 |w|^2``, w the learned weights, and U the m rows
that change. ``F~`` is the objective on the corrected data. With corrected versions ``z~`` of the
rows, n stays and the penalty has no part in the change of the gradient::

    G = 1/n * sum over U of (grad l(z~) - grad l(z)) = grad F~(w) - grad F(w)

Rows that are dropped have no z~. What is left is then ``F_c`` under a convention c, as
``baselines/newton`` has it, and as there w is taken for stationary, so that ``G = grad F_c(w)``::

    R1    G = -1/(n-m) * sum over U of (grad l(z) + l2 w)
    R2    G = -1/n * sum over U of (grad l(z) + l2 w)
    R3    G = -1/n * sum over U of grad l(z)

Warnecke et al. (2023) take sums where means stand here: their step size is 1/n of the one here.
"""

import contextlib
from dataclasses import dataclass
from functools import cached_property

import torch

from unlearning.base import checks
from unlearning.base.precision import in_full_float32
from unlearning.curvature.definite import solve_definite
from unlearning.curvature.jacobian import gauss_newton_block
from unlearning.curvature.lissa import lissa
from unlearning.curvature.restricted import Restricted
from unlearning.curvature.rows import BATCH, Rows
from unlearning.curvature.solve import Solution, solve
from unlearning.curvature.system import CURVATURES, System
from unlearning.problem.objective import Objective
from unlearning.problem.samples import Samples
from unlearning.saps.places import chosen_places
from unlearning.saps.settings import Step
from unlearning.training.retained import Learned, retained

HESSIANS = ("corrected", "original")


@dataclass(frozen=True, eq=False)
class Corrected:
    """Corrected weights, and what they have cost.

    Attributes:
        weights: shape ``[d]``, in the dtype of the learned weights.
        moved: ``|S|``, how many weights were allowed to move.
        residual: ``|G_S - (H_SS + damping I) x| / |G_S|`` of the system that was solved; 0 of the
            first order, which solves none.
        iterations: of conjugate gradients or LiSSA.
        products: products of the curvature over all samples with a vector, those that checked
            something included; none for a matrix that had been written out before. A Gauss-Newton
            matrix is written out from Jacobians where the model allows it: there, each of the
            backward passes over all samples, one for each output, counts as one product.
    """

    weights: torch.Tensor
    moved: int
    residual: float
    iterations: int
    products: int


class Change:
    """Rows with their corrected versions, for many corrections of one model.

    Gradient and curvature do not depend on which weights a correction may touch, nor on its
    damping; so they are prepared once.

    Args:
        learned: a ``Run`` or a ``Minimum``: anything with ``objective``, ``samples``, ``weights``.
        rows: sample numbers, distinct.
        corrected: the corrected versions of these rows, one for each; None drops the rows.
        convention: what dropping means, R1, R2 or R3; without a meaning for corrected rows.
        hessian_on: ``corrected`` for the Hessian of F~, or ``original`` for that of F, the
            published shortcut. For dropped rows the second order is then the infinitesimal
            jackknife, whose G has n under R1, too.
        curvature: ``hessian``, or ``ggn`` for the generalised Gauss-Newton matrix.
        dtype: float64 or float32, in which everything is computed.
        batch: samples looked at together.

    Attributes:
        samples: the corrected data: n rows, or n - m if they are dropped.
        matrix: the curvature of F~ (or F) with its penalty, shape ``[d, d]``; None until
            ``write_out`` has been called.

    Raises:
        ValueError: for rows or settings of another form, or corrected rows that do not fit theirs.
    """

    def __init__(
        self,
        learned: Learned,
        rows,
        corrected: Samples | None,
        *,
        convention: str = "R2",
        hessian_on: str = "corrected",
        curvature: str = "hessian",
        dtype: torch.dtype = torch.float64,
        batch: int = BATCH,
    ):
        for name in ("objective", "samples", "weights"):
            if not hasattr(learned, name):
                checks.fail("learned", f"a Run or a Minimum, with {name}", type(learned).__name__)
        self.objective, self.weights = learned.objective, learned.weights
        self.hessian_on = checks.choice("hessian_on", hessian_on, HESSIANS)
        self.curvature = checks.choice("curvature", curvature, CURVATURES)
        self._how = {"dtype": dtype, "batch": batch}
        self._original, n = learned.samples, len(learned.samples)
        allowed = checks.forget_set if corrected is None else checks.indices
        self.rows = allowed("rows", rows, n)
        self.left = retained(n, self.rows if corrected is None else [], convention)
        self._shared = convention != "R3"
        if corrected is not None:
            check_corrected(corrected, self._original[self.rows], self.objective)
        self.corrected, self.matrix = corrected, None

    @cached_property
    def samples(self) -> Samples:
        """The corrected data."""
        if self.corrected is None:
            return self._original[self.left.kept]
        inputs, labels = self._original.inputs.clone(), self._original.labels.clone()
        inputs[self.rows], labels[self.rows] = self.corrected.inputs, self.corrected.labels
        return Samples(inputs, labels)

    @cached_property
    @in_full_float32
    def gradient(self) -> torch.Tensor:
        """G, shape ``[d]``, in the dtype of the computation."""
        share = len(self.rows) / len(self._original)
        before = self._mean_gradient(self._original[self.rows])
        if self.corrected is not None:
            return share * (self._mean_gradient(self.corrected) - before)
        if self._shared:
            before = before + self.objective.l2 * self.weights.to(before)
        if self.hessian_on == "original":
            return -share * before
        # n/(n-m) under R1, and 1 under R2 and R3.
        factor = self.left.loss_weight * len(self._original) / len(self.left.kept)
        return -share * factor * before

    @in_full_float32
    def write_out(self) -> int:
        """Write out ``matrix``, from which every later dense correction takes what it needs.

        Returns:
            The products that it took, as ``Corrected`` counts them; 0 if it was there.

        Raises:
            ValueError: if it does not fit into memory.
        """
        if self.matrix is not None:
            return 0
        everything = torch.arange(self.objective.dimension, device=self.weights.device)
        self.matrix, products = self._block(everything)
        return products

    @cached_property
    def system(self) -> System:
        """The curvature of F~ (or F) with its penalty, as products."""
        if self.hessian_on == "original":
            samples, weights = self._original, {}
        else:
            samples = self.samples
            weights = {
                "loss_weight": self.left.loss_weight,
                "penalty_weight": self.left.penalty_weight,
            }
        return System(
            self.objective, samples, self.weights, curvature=self.curvature, **weights, **self._how
        )

    @in_full_float32
    def correct(self, *, order: int, select=None, **step) -> "Corrected":
        """Correct the weights for this change.

        Args:
            order: 1 or 2.
            select: S, the weights that may move, as ``correct`` takes it.
            step: ``step_size``, ``damping``, ``solver``, ``rtol``, ``maxiter``, ``scale``, as
                ``correct`` takes them.

        Raises:
            UnsolvedError: (a ``ValueError``) as ``correct`` does.
            ValueError: as ``correct`` does.
        """
        step = Step(order, **step)
        places = chosen_places(select, self.objective.dimension).to(self.weights.device)
        if order == 1:
            found = Solution(step.step_size * self.gradient[places], 0.0, 0, 0)
        else:
            found = self._solved(places, step)
        weights = self.weights.clone()
        weights[places] = (weights[places].to(found.x) - found.x).to(weights)
        if not bool(weights.isfinite().all()):
            name = "step_size" if order == 1 else "damping"
            checks.fail(name, "one with which the weights stay finite", "NaN or infinity in them")
        return Corrected(weights, len(places), found.residual, found.iterations, found.products)

    def _solved(self, places: torch.Tensor, step: Step) -> Solution:
        """``(H_SS + damping I)^{-1} G_S`` for the places S."""
        b = self.gradient[places]
        at_hand = self.matrix is not None
        solver = step.solver_for(len(places), "written out" if at_hand else self.curvature)
        if solver == "dense":
            block, products = self._block(places)
            block.diagonal().add_(step.damping)
            return solve_definite(block, b, products=products)
        system = Restricted(self.system, places, damping=step.damping)
        if solver == "lissa":
            return lissa(system, b, scale=step.scale, rtol=step.rtol, maxiter=step.maxiter)
        return solve(system, b, solver=solver, rtol=step.rtol, maxiter=step.maxiter)

    def _block(self, places: torch.Tensor) -> tuple[torch.Tensor, int]:
        """``H_SS``, a new tensor, and the products that it took."""
        if self.matrix is not None:
            return self.matrix[places[:, None], places], 0
        restricted = Restricted(self.system, places)
        if self.curvature == "ggn" and self.objective.as_named:
            # Some layers, such as recurrent ones, have Jacobians of single samples in no cheap way.
            with contextlib.suppress(RuntimeError):
                return gauss_newton_block(restricted)
        return restricted.dense(), len(places)

    def _mean_gradient(self, samples: Samples) -> torch.Tensor:
        rows = Rows(self.objective, samples, self.weights, **self._how)
        return rows.loss_and_gradient()[1]


def check_corrected(corrected: Samples, original: Samples, objective: Objective) -> None:
    """Refuse corrected rows that differ from the original ones in anything but their values.

    Raises:
        ValueError: saying in what they differ, or why they do not fit the model.
    """
    checks.instance("corrected", corrected, Samples, "an unlearning.Samples, or None")
    wanted, given = _kind(original), _kind(corrected)
    if given != wanted:
        checks.fail("corrected", wanted, given)
    with checks.advising("these are the corrected rows"):
        objective.check_samples(corrected)


def _kind(samples: Samples) -> str:
    inputs, labels = samples.inputs, samples.labels
    return (
        f"inputs {list(inputs.shape)} of {inputs.dtype} with labels of {labels.dtype} "
        f"on {inputs.device}"
    )
