"""What can be computed before anyone asks for a deletion: the matrix over all samples."""

import torch

from unlearning.base import checks
from unlearning.base.precision import in_full_float32
from unlearning.curvature.solve import Factor
from unlearning.curvature.system import CURVATURES, System
from unlearning.training.retained import Learned


class Prepared:
    """The curvature over all samples, written out, for many requests by the dense solver.

    A Newton step then needs products over the deleted samples alone, by
    ``(n C - m C_U) / (n - m)``, and a Cholesky factor; the infinitesimal jackknife factors once and
    needs only ``d^2`` multiplications from then on.

    Args:
        learned: as for ``newton_step``, which must be given the same object.
        curvature: ``hessian`` or ``ggn``.
        dtype: precision of the matrix.
        batch: samples looked at together.

    Attributes:
        matrix: C, the mean curvature of the loss, without penalty and damping: shape ``[d, d]``.

    Raises:
        ValueError: if the matrix would not fit into memory.
    """

    @in_full_float32
    def __init__(
        self,
        learned: Learned,
        *,
        curvature: str = "hessian",
        dtype: torch.dtype = torch.float64,
        batch: int = 1024,
    ):
        self.learned, self.dtype, self.batch = learned, dtype, batch
        self.curvature = checks.choice("curvature", curvature, CURVATURES)
        self.matrix, self.products = self._over(learned.samples)
        # One factor with all samples, and one without some: the last that was asked for.
        self._factors: dict[bool, tuple[tuple, Factor]] = {}

    @property
    def bytes(self) -> int:
        """Bytes of the matrix; a factor that is kept takes as many again."""
        return self.matrix.nbytes

    @in_full_float32
    def factor(self, forget: list[int], loss_weight: float, shift: float) -> tuple[Factor, int]:
        """Factor of ``loss_weight * C_K + shift * I``, C_K the curvature without some samples.

        Args:
            forget: numbers of the samples left out; none for all samples.
            loss_weight: on the curvature.
            shift: added to the diagonal: penalty and damping.

        Returns:
            The factor, and the products with vectors that it has cost now.

        Raises:
            UnsolvedError: if the matrix is not positive definite.
        """
        key = (tuple(forget), loss_weight, shift)
        some = bool(forget)
        if some in self._factors and self._factors[some][0] == key:
            return self._factors[some][1], 0
        self._factors.pop(some, None)
        matrix, products = self._without(forget)
        matrix.mul_(loss_weight).diagonal().add_(shift)
        self._factors[some] = key, Factor(matrix)
        return self._factors[some][1], products

    def _without(self, forget: list[int]) -> tuple[torch.Tensor, int]:
        if not forget:
            return self.matrix.clone(), 0
        gone, products = self._over(self.learned.samples[forget])
        n, m = len(self.learned.samples), len(forget)
        return gone.mul_(-m).add_(self.matrix, alpha=n).div_(n - m), products

    def _over(self, samples) -> tuple[torch.Tensor, int]:
        """C over some samples, and the products that it took."""
        system = System(self.learned.objective, samples, self.learned.weights, penalty_weight=0.0,
                        curvature=self.curvature, dtype=self.dtype, batch=self.batch)  # fmt: skip
        return system.dense(), system.products
