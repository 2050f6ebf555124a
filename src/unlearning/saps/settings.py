"""How a correction is computed: the settings of one step, checked."""

import math
from dataclasses import dataclass

from unlearning.base import checks

SOLVERS = ("auto", "dense", "cg", "lissa")
#: Up to this many weights ``auto`` writes the restricted matrix out. Of a Hessian that takes a
#: product for each of them, of a Gauss-Newton matrix far less.
DENSE_UP_TO = {"hessian": 64, "ggn": 512, "written out": math.inf}


@dataclass
class Step:
    """The settings of ``Change.correct``; ``correct`` passes them on.

    Raises:
        ValueError: for one that is out of its range, or has no meaning for this order or solver.
    """

    order: int
    step_size: float | None = None
    damping: float = 0.0
    solver: str = "auto"
    rtol: float = 1e-10
    maxiter: int = 1000
    scale: float | None = None

    def __post_init__(self):
        checks.integer("order", self.order, least=1, most=2)
        checks.finite("damping", self.damping, least=0.0)
        checks.choice("solver", self.solver, SOLVERS)
        checks.finite("rtol", self.rtol, above=0.0)
        checks.integer("maxiter", self.maxiter, least=1)
        if self.order == 1:
            checks.finite("step_size", self.step_size, above=0.0)
            if self.damping:
                checks.fail("damping", "0 for order 1, which solves no system", self.damping)
        elif self.step_size is not None:
            checks.fail("step_size", "None for order 2, which takes a whole step", self.step_size)
        self._check_scale()

    def _check_scale(self) -> None:
        if self.scale is None:
            return
        if self.order == 1 or self.solver != "lissa":
            checks.fail("scale", "None without solver='lissa'", self.scale)
        checks.finite("scale", self.scale, above=0.0)

    def solver_for(self, size: int, matrix: str) -> str:
        """The solver for ``size`` weights; ``matrix`` is a key of ``DENSE_UP_TO``."""
        if self.solver != "auto":
            return self.solver
        return "dense" if size <= DENSE_UP_TO[matrix] else "cg"
