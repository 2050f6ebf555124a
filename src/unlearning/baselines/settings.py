"""The settings of a Newton-like update, checked."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch

from unlearning.base import checks
from unlearning.baselines.prepared import Prepared
from unlearning.baselines.quirks import NEWTON_QUIRKS, checked
from unlearning.curvature.solve import SOLVERS
from unlearning.curvature.system import CURVATURES
from unlearning.training.retrain import CONVENTIONS

FORMS = ("one_term", "full")


@dataclass
class Settings:
    """The arguments of ``newton_step`` and ``infinitesimal_jackknife``, checked."""

    convention: str = "R2"
    form: str = "one_term"
    damping: float = 0.0
    solver: str = "dense"
    curvature: str = "hessian"
    quirks: Iterable[str] = ()
    rtol: float = 1e-10
    maxiter: int = 1000
    dtype: torch.dtype = torch.float64
    batch: int = 1024
    prepared: Prepared | None = None

    def __post_init__(self):
        checks.choice("convention", self.convention, CONVENTIONS)
        checks.choice("form", self.form, FORMS)
        checks.finite("damping", self.damping, least=0.0)
        checks.choice("solver", self.solver, SOLVERS)
        checks.choice("curvature", self.curvature, CURVATURES)
        self.quirks = checked(self.quirks, NEWTON_QUIRKS)

    def check_prepared(self, learned) -> None:
        """Refuse a prepared matrix of something else.

        Raises:
            ValueError: saying in what it differs.
        """
        prepared = self.prepared
        if prepared is None:
            return
        if not isinstance(prepared, Prepared) or prepared.learned is not learned:
            checks.fail("prepared", "Prepared(learned) of the same 'learned'", "another")
        for name, wanted in (("solver", "dense"), ("curvature", prepared.curvature)):
            if getattr(self, name) != wanted:
                given = repr(getattr(self, name))
                checks.fail(name, f"{wanted!r}, for which there is a prepared matrix", given)

    @property
    def shift(self) -> float:
        """The damping that is added in the end."""
        return self.damping * (2 if "double_damping" in self.quirks else 1)

    @property
    def penalised(self) -> bool:
        """Whether the penalty takes part."""
        return "no_penalty" not in self.quirks
