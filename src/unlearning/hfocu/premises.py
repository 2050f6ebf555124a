"""What a public certificate rests on: all about a run but its data."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch

from unlearning.base import checks
from unlearning.curvature.kernels import softmax
from unlearning.curvature.kernels.chain import UnfitError
from unlearning.curvature.kernels.layout import Layout
from unlearning.hfocu import constants
from unlearning.hfocu.bounds import StepConstants
from unlearning.training.schedule import Schedule
from unlearning.training.trajectory import Run

#: An input scaled to a norm is longer than that by its rounding; bounds allow for this share.
SLACK = 2.0**-40


@dataclass(frozen=True)
class Premises:
    """Softmax regression by SGD, for ANY data of this size: known before a sample is seen.

    Args:
        schedule: of the run.
        n: number of samples.
        features: numbers in an input, the constant 1 of a bias included.
        classes: outputs of the model.
        radius: what no input's norm exceeds, that 1 included, BY CONSTRUCTION of the inputs. A
            largest norm that was looked up makes sigma depend on the data.
        l2: strength of the penalty.
        start: what the norm of the initial weights does not exceed.

    Raises:
        ValueError: for a value out of its range.
    """

    schedule: Schedule
    n: int
    features: int
    classes: int
    radius: float
    l2: float
    start: float

    def __post_init__(self):
        checks.instance("schedule", self.schedule, Schedule, "a Schedule")
        plain = {
            "n": checks.integer("n", self.n, least=2),
            "features": checks.integer("features", self.features, least=1),
            "classes": checks.integer("classes", self.classes, least=2),
            "radius": checks.finite("radius", self.radius, above=0.0),
            "l2": checks.finite("l2", self.l2, least=0.0),
            "start": checks.finite("start", self.start, least=0.0),
        }
        for name, value in plain.items():
            object.__setattr__(self, name, value)

    @classmethod
    def of(cls, run: Run, *, radius: float, start: float | None = None) -> "Premises":
        """Those that a run meets, each of them looked up or verified.

        Args:
            run: from the model's own weights, in double precision.
            radius: as above; verified on every sample.
            start: as above, verified; the norm itself if None.

        Raises:
            ValueError: if the run is of another model, loss or dtype, its start may depend on data,
                or an input is longer than ``radius``.
        """
        weight = _softmax_weight(run)
        norm = float(torch.linalg.vector_norm(run.initial_weights))
        if start is not None and norm > start * (1 + SLACK):
            checks.fail("run", f"initial weights of norm at most {start:g}", f"{norm:.17g}")
        longest = longest_input(run)
        if longest > checks.finite("radius", radius, above=0.0) * (1 + SLACK):
            checks.fail("run", f"inputs of norm at most {radius:g}, a bias's 1 included",
                        f"one of {longest:.17g}")  # fmt: skip
        features = run.objective.dimension // len(weight)
        return cls(run.schedule, len(run.samples), features, len(weight), radius,
                   run.objective.l2, norm if start is None else start)  # fmt: skip

    @property
    def dimension(self) -> int:
        """Number of weights, d."""
        return self.features * self.classes

    def steps(self, deletions: int) -> list[StepConstants]:
        """The public constants of each step, for any forget set of so many samples at most."""
        deletions = checks.integer("deletions", deletions, least=1, most=self.n - 1)
        radius, start = ((1 + SLACK) * size for size in (self.radius, self.start))
        sizes = {"radius": radius, "l2": self.l2, "deletions": deletions, "start": start}
        return list(constants.public(self.schedule, self.n, **sizes))

    def as_dict(self) -> dict[str, Any]:
        """All of them as plain values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Premises":
        """What ``as_dict`` gave.

        Raises:
            ValueError: if a name is missing or unknown, or a value out of its range.
        """
        found = exactly("premises", values, cls)
        schedule = Schedule(**exactly("schedule", found["schedule"], Schedule))
        return cls(**found | {"schedule": schedule})


def exactly(argument: str, values: Any, kind: type) -> dict[str, Any]:
    """``values`` if they are named as the fields of a dataclass are.

    Raises:
        ValueError: if they are not.
    """
    names = sorted(field.name for field in fields(kind))
    if not isinstance(values, Mapping) or sorted(values) != names:
        given = sorted(values) if isinstance(values, Mapping) else type(values).__name__
        checks.fail(argument, f"a mapping from {', '.join(names)}", given)
    return dict(values)


def longest_input(run: Run) -> float:
    """The largest ``|x~|`` among a run's samples."""
    inputs = constants.extended_inputs(run.objective, run.samples.inputs)
    return float(torch.linalg.vector_norm(inputs, dim=1).max())


def _softmax_weight(run: Run) -> torch.Tensor:
    """The weights ``[classes, p]`` at the start of a run that premises can be stated for."""
    checks.instance("run", run, Run, "an unlearning.Run, as train gives it")
    try:
        softmax.check(run.objective)
    except UnfitError as error:
        checks.fail("run", "a convex loss: one linear layer under the cross-entropy", error)
    start = run.initial_weights
    if start.dtype != torch.float64:
        checks.fail("run", "one in double precision (torch.float64)", start.dtype)
    if not torch.equal(start, run.objective.initial_weights):
        checks.fail("run", "one from the model's own weights, which know no data",
                    "other initial weights: of a repair, perhaps")  # fmt: skip
    return Layout(run.objective).parts(start)[0]
