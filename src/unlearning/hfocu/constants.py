"""The constants of the bounds, step by step: for any data of a given size, or measured on a run.

A linear layer on inputs ``x~`` (with its constant 1 where there is a bias) has, per sample::

    cross-entropy  |grad l| <= sqrt(2) |x~|  0 <= Hessian <= |x~|^2 / 2  Lipschitz sqrt(6)/9 |x~|^3
    squared loss                             0 <= Hessian <= |x~|^2      Lipschitz 0

Chapter 5 of the book proves them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn

from unlearning.base import checks
from unlearning.curvature import spectrum
from unlearning.curvature.kernels.chain import UnfitError, chain
from unlearning.hfocu.bounds import StepConstants
from unlearning.problem.objective import Objective
from unlearning.training.schedule import Schedule
from unlearning.training.trajectory import Run


@dataclass(frozen=True)
class Loss:
    """Constants of a loss of the outputs: of its Hessian, and of that Hessian's change."""

    curvature: float
    third: float


LOSSES = {"cross_entropy": Loss(1 / 2, 6**0.5 / 9), "squared": Loss(1.0, 0.0)}
GRADIENT = 2**0.5  # of the cross-entropy in the outputs


def convex_loss(objective: Objective) -> Loss:
    """The constants of a convex problem: one linear layer.

    Raises:
        ValueError: for any other model, whose loss is not convex or not known to be.
    """
    _linear(objective)
    return LOSSES[objective.loss_name]


def _linear(objective: Objective) -> nn.Linear:
    try:
        *before, (_, last) = chain(objective)
        flat = all(type(f) is nn.Flatten and (f.start_dim, f.end_dim) == (1, -1) for _, f in before)
        if flat and type(last) is nn.Linear:
            return last
        reason = " > ".join(type(layer).__name__ for _, layer in [*before, ("", last)])
    except UnfitError as error:
        reason = str(error)
    checks.fail("objective", "a convex loss: one linear layer", reason)


def extended_inputs(objective: Objective, inputs: torch.Tensor) -> torch.Tensor:
    """``x~``: the inputs ``[b, ...]`` as ``[b, p]``, with a column of ones where there is a bias.

    Raises:
        ValueError: for a model that is not one linear layer.
    """
    flat = inputs.flatten(1)
    bias = _linear(objective).bias is not None
    return torch.cat([flat, flat.new_ones(len(flat), 1)], 1) if bias else flat


def public(
    schedule: Schedule, n: int, *, radius: float, l2: float, deletions: int, start: float
) -> Iterator[StepConstants]:
    """Constants of softmax regression for ANY n samples with ``|x~| <= radius`` and any forget set.

    Args:
        schedule: of the run.
        n: number of samples.
        radius: what no ``|x~|`` exceeds, by construction of the inputs and not by looking at them.
        l2: strength of the penalty.
        deletions: the most samples that are deleted.
        start: norm of the initial weights.

    Yields:
        The constants of each step.
    """
    loss, slope = LOSSES["cross_entropy"], GRADIENT * radius
    largest = loss.curvature * radius**2 + l2
    batches = schedule.batches(n)
    norm = start  # of the weights; each step adds the gradient and shrinks by the penalty
    for eta, batch in zip(schedule.step_sizes(len(batches)), batches, strict=True):
        gone = min(deletions, len(batch)) / len(batch)
        sample = slope + l2 * norm
        yield StepConstants(
            step_size=eta,
            least=l2 * (1 - gone),
            largest=largest,
            contraction=max(abs(1 - eta * l2), abs(1 - eta * largest)),
            lipschitz=loss.third * radius**3,
            source=gone * sample,
            forgotten=gone * largest,
            gradient=sample,
        )
        norm = abs(1 - eta * l2) * norm + eta * slope


def measured(
    run: Run, *, deletions: int | None = None, forget: Sequence[int] | None = None
) -> Iterator[StepConstants]:
    """Constants of a run on its own data: for its forget sets of a size, or for a single set.

    Args:
        run: with its weights at every step.
        deletions: the most samples that are deleted; which ones is left open.
        forget: the samples that are deleted; give one of the two.

    Yields:
        The constants of each step.
    """
    loss, l2, seen = convex_loss(run.objective), run.objective.l2, {}
    for t, (eta, batch) in enumerate(zip(run.step_sizes, run.batches, strict=True)):
        w, size = run.weights_at(t), len(batch)
        key = batch.sort().values.numpy().tobytes()  # full batches repeat, and fixed ones do
        if key not in seen:
            seen[key] = _Sizes.of(run, batch)
        sizes = seen[key]
        largest = loss.curvature * sizes.top / size + l2
        if forget is None:
            gone, source, top = _of_any(run, w, batch, sizes, deletions)
        else:
            gone, source, top = _of_set(run, w, batch, forget)
        yield StepConstants(
            step_size=eta,
            least=l2 * (1 - gone / size),
            largest=largest,
            contraction=_contraction(run, w, batch, eta, largest),
            lipschitz=loss.third * sizes.cubes,
            source=source / size,
            forgotten=(loss.curvature * top + gone * l2) / size,
            gradient=_gradient_norm(run, w, batch) / size,
        )


class _Sizes(NamedTuple):
    """Sizes of the inputs of a batch.

    Attributes:
        squares: ``|x~|^2`` of each sample, falling.
        top: largest eigenvalue of the sum of ``x~ x~^T``.
        cubes: mean of ``|x~|^3``.
    """

    squares: torch.Tensor
    top: float
    cubes: float

    @classmethod
    def of(cls, run: Run, batch: torch.Tensor) -> "_Sizes":
        x = extended_inputs(run.objective, run.samples.inputs[batch])
        norms = torch.linalg.vector_norm(x, dim=1)
        squares = norms.square().sort(descending=True).values
        return cls(squares, _top(x), float(norms.pow(3).mean()))


def _top(x: torch.Tensor) -> float:
    """Largest eigenvalue of ``x^T x`` for ``x [b, p]``."""
    gram = x @ x.T if len(x) < x.shape[1] else x.T @ x
    return float(torch.linalg.eigvalsh(gram)[-1])


def _of_any(run: Run, w, batch, sizes: _Sizes, deletions: int) -> tuple[int, float, float]:
    """How many can go; the sums of their largest gradients and of their largest ``|x~|^2``."""
    gone = min(deletions, len(batch))
    largest = _sample_gradient_norms(run, w, batch).topk(gone).values
    return gone, float(largest.sum()), min(float(sizes.squares[:gone].sum()), sizes.top)


def _sample_gradient_norms(run: Run, w, batch) -> torch.Tensor:
    """``|grad f_i|`` of each sample: with r its gradient in the outputs z, ``r x~^T + l2 w``."""
    rows, l2 = run.samples[batch], run.objective.l2
    z = run.objective.outputs(w, rows.inputs)
    if run.objective.loss_name == "squared":
        r = z.reshape(-1, 1) - rows.labels[:, None]
    else:
        r = z.softmax(1) - nn.functional.one_hot(rows.labels, z.shape[1])
    squares = extended_inputs(run.objective, rows.inputs).square().sum(1)
    cross = (r * z.reshape(r.shape)).sum(1)  # the inner product of r x~^T with w
    return (r.square().sum(1) * squares + 2 * l2 * cross + l2**2 * (w @ w)).clamp(min=0).sqrt()


def _of_set(run: Run, w, batch, forget: Sequence[int]) -> tuple[int, float, float]:
    """How many go; the norm of the sum of their gradients, and the top of theirs ``x~ x~^T``."""
    members = batch[torch.isin(batch, torch.as_tensor(forget))]
    if len(members) == 0:
        return 0, 0.0, 0.0
    x = extended_inputs(run.objective, run.samples.inputs[members])
    return len(members), _gradient_norm(run, w, members), _top(x)


def _gradient_norm(run: Run, w, rows: torch.Tensor) -> float:
    """Norm of the sum of grad f over some samples."""
    mean = run.objective.gradient(w, run.samples.inputs[rows], run.samples.labels[rows])
    return len(rows) * float(torch.linalg.vector_norm(mean + run.objective.l2 * w))


def _contraction(run: Run, w, batch, eta: float, largest: float) -> float:
    """``|I - eta H|_2``; the spectrum is looked at only where its upper end decides."""
    lower = abs(1 - eta * run.objective.l2)
    if abs(1 - eta * largest) <= lower:
        return lower
    inputs, labels = run.samples.inputs[batch], run.samples.labels[batch]
    top = spectrum.largest_eigenvalue(run.objective, w, inputs, labels)
    return max(lower, abs(1 - eta * top))
