"""The diagonal of the curvature of the mean loss: exactly, or estimated for less."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch

from unlearning.base import checks
from unlearning.base.precision import in_full_float32
from unlearning.curvature.coordinates import coordinates
from unlearning.curvature.diagonals import backpack, closed_form, gradients, probes
from unlearning.curvature.diagonals.task import Engine, Task
from unlearning.curvature.kernels.chain import UnfitError
from unlearning.curvature.rows import Rows
from unlearning.problem.objective import Objective
from unlearning.problem.samples import Samples


@dataclass(frozen=True, eq=False)
class Diagonal:
    """A diagonal with what it cost.

    Attributes:
        values: shape ``[d]``, or ``[k]`` for k indices. The penalty is not in it: to every entry of
            the objective's Hessian it adds ``l2``.
        method: what it is, or estimates.
        engine: how it was computed.
        products: Hessian-vector products over all samples that were taken.
        passes: vectors carried back through the network for each sample: labels that gradients were
            taken for, or columns of the loss's and the activations' curvature. 0 where closed
            formulas or products did it.
        fallback: what BackPACK cannot treat here, where it was left out for that; or empty.
    """

    values: torch.Tensor
    method: str
    engine: str
    products: int
    passes: int
    fallback: str


class _Way(NamedTuple):
    """An engine: what refuses an objective for a method, and what computes."""

    check: Callable[[Objective, str], None]
    compute: Engine


_FORMULA = _Way(closed_form.check, closed_form.compute)
_BACKPACK = _Way(backpack.check, backpack.compute)
_GRADIENTS = _Way(gradients.check, gradients.compute)
# By method: its engines, the fastest first.
_METHODS: dict[str, dict[str, _Way]] = {
    "hessian": {
        "closed_form": _FORMULA,
        "backpack": _BACKPACK,
        "products": _Way(probes.check, probes.units),
    },
    "ggn": {"closed_form": _FORMULA, "backpack": _BACKPACK, "gradients": _GRADIENTS},
    "fisher": {"backpack": _BACKPACK, "gradients": _GRADIENTS},
    "empirical_fisher": {"backpack": _BACKPACK, "gradients": _GRADIENTS},
    "hutchinson": {"products": _Way(probes.check, probes.hutchinson)},
    "xdiag": {"products": _Way(probes.check, probes.xdiag)},
}
METHODS = tuple(_METHODS)
# How many random labels or vectors the methods take that take any.
_PROBES = {"fisher": 1, "hutchinson": 32, "xdiag": 16}


@in_full_float32
def diagonal(
    objective: Objective,
    samples: Samples,
    w: torch.Tensor,
    *,
    method: str = "hessian",
    engine: str = "auto",
    indices=None,
    probes: int | None = None,
    seed: int = 0,
    dtype: torch.dtype = torch.float64,
    batch: int | None = None,
) -> Diagonal:
    """The diagonal of the curvature of the MEAN LOSS over samples at ``w``, without penalty.

    The methods::

        hessian           d^2/dw_i^2 of the mean loss, exactly
        ggn               of the generalised Gauss-Newton matrix J^T L J, exactly
        fisher            mean squared gradient under labels drawn from the model: ggn on average
        empirical_fisher  mean squared gradient under the samples' own labels
        hutchinson        estimates hessian from one product for each of its probes
        xdiag             estimates hessian from two products for each of its probes

    The engines: ``closed_form`` (softmax regression), ``backpack`` (chains of common layers),
    ``gradients`` (each sample's own) and ``products`` (Hessian-vector, with d unit vectors for
    ``hessian``). Memory does not grow with the number of samples.

    Args:
        objective: whose mean loss; the penalty adds ``l2`` to every entry of the Hessian.
        samples: the rows over which the mean is taken.
        w: the point, shape ``[d]``.
        method: out of ``METHODS``.
        engine: one of the method's, or ``auto``: the first that fits the model.
        indices: numbers of the entries that are wanted; all by default. With unit vectors, k of
            them take k products; nothing else is cheaper for fewer.
        probes: random vectors (32 for ``hutchinson``, 16 for ``xdiag`` by default), or labels drawn
            for each sample (1 for ``fisher``).
        seed: of what is drawn; the draw depends on neither device nor batch.
        dtype: ``torch.float64``, whatever the weights come in, or ``torch.float32``.
        batch: samples looked at together; by default as many as fit some memory.

    Raises:
        ValueError: for an unknown method or engine, an engine that does not fit the model, probes
            for a method that takes none, or a value out of its range; the message names it.
    """
    ways = _METHODS[checks.choice("method", method, METHODS)]
    checks.choice("engine", engine, ("auto", *ways))
    if batch is not None:
        checks.integer("batch", batch, least=1)
    checks.integer("seed", seed, least=0, most=2**64 - 1)
    probes = _probes(method, probes)
    Rows(objective, samples, w, dtype=dtype)  # refuses what does not fit together
    places = coordinates("indices", indices, len(w), w.device)
    task = Task(objective, samples, w, method, probes, seed, dtype, batch, places)
    return _first_that_fits(task, ways, engine)


def _probes(method: str, given: int | None) -> int:
    if given is None:
        return _PROBES.get(method, 0)
    if method not in _PROBES:
        checks.fail("probes", f"none for {method!r}, which draws nothing", given)
    return checks.integer("probes", given, least=1)


def _first_that_fits(task: Task, ways: dict[str, _Way], engine: str) -> Diagonal:
    reasons = {}
    for name, way in ways.items():
        if engine not in ("auto", name):
            continue
        try:
            way.check(task.objective, task.method)
            found = way.compute(task)
        except UnfitError as error:
            reasons[name] = str(error)
            continue
        fallback = reasons.get("backpack", "")
        values = found.values[task.indices]
        return Diagonal(values, task.method, name, found.products, found.passes, fallback)
    given = ", ".join(f"{name!r} for {reason}" for name, reason in reasons.items())
    checks.fail("engine", f"one that fits the model for {task.method!r}", given)
