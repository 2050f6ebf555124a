"""Many retrainings of softmax regression at once: matrix products over all models together."""

import warnings
from collections.abc import Sequence

import torch
from torch.nn import functional

from unlearning.base import checks
from unlearning.base.precision import in_full_float32
from unlearning.curvature.kernels import softmax
from unlearning.curvature.kernels.chain import UnfitError
from unlearning.curvature.kernels.layout import Layout
from unlearning.training.retrain import CONVENTIONS, weights_kept
from unlearning.training.trajectory import Run

#: Numbers that the logits of the models worked on together may take.
AT_ONCE = 2**22


@in_full_float32
@torch.no_grad()
def retrain_many(
    run: Run, sets: Sequence[Sequence[int]], *, convention: str = "R2", chunk: int | None = None
) -> torch.Tensor:
    """``retrain`` without each of several sets; equal to it but for the last digits.

    Args:
        run: of one linear layer under the cross-entropy.
        sets: lists of sample numbers, each to be left out of a retraining of its own.
        convention: as for ``retrain``.
        chunk: how many models are trained at once; by default a number that suits the cache.

    Returns:
        The retrained weights, one row a set: shape ``[K, d]``.

    Raises:
        ValueError: for another model, no set or an invalid one, an unknown convention, or weights
            that stop being finite.
    """
    checks.instance("run", run, Run, "an unlearning.Run, as train gives it")
    checks.choice("convention", convention, CONVENTIONS)
    try:
        softmax.check(run.objective)
    except UnfitError as error:
        checks.fail("run", "one linear layer under the cross-entropy", error)
    given = checks.listed("sets", sets, "lists of sample numbers")
    sets = [checks.forget_set("sets", members, len(run.samples)) for members in given]
    if not sets:
        checks.fail("sets", "at least one set", "an empty list")
    largest = max(map(len, run.batches)) * _classes(run)
    size = max(1, AT_ONCE // largest)
    size = size if chunk is None else checks.integer("chunk", chunk, least=1)
    parts = [sets[first : first + size] for first in range(0, len(sets), size)]
    return torch.cat([_Ensemble(run, part, convention).end() for part in parts])


def _classes(run: Run) -> int:
    return len(Layout(run.objective).parts(run.initial_weights)[0])


class _Ensemble:
    """Some of the models, trained side by side."""

    def __init__(self, run: Run, sets: list[list[int]], convention: str):
        self.run, self.convention, self.layout = run, convention, Layout(run.objective)
        self.weights = run.initial_weights.expand(len(sets), -1).clone()
        self.kept = torch.ones(len(sets), len(run.samples), dtype=torch.bool)
        for row, members in enumerate(sets):
            self.kept[row, members] = False
        self.kept = self.kept.to(run.samples.inputs.device)

    def end(self) -> torch.Tensor:
        for eta, batch in zip(self.run.step_sizes, self.run.batches, strict=True):
            self._step(eta, batch.to(self.kept.device))
        if not bool(self.weights.isfinite().all()):
            given = f"weights that are not (eta_0 = {self.run.schedule.step_size:g})"
            checks.fail("step_size", "steps along which the weights stay finite", given)
        return self.weights

    def _step(self, eta: float, batch: torch.Tensor) -> None:
        gradients = self._gradients(batch)
        if self.run.schedule.clip is not None:
            norms = torch.linalg.vector_norm(gradients, dim=1, keepdim=True)
            gradients *= (self.run.schedule.clip / norms).clamp(max=1.0)
        self.weights -= eta * gradients

    def _gradients(self, batch: torch.Tensor) -> torch.Tensor:
        """Of what each model keeps of the batch, by its convention: shape ``[K, d]``."""
        inputs, kept = self.run.samples.inputs[batch].flatten(1), self.kept[:, batch]
        on_mean, on_penalty = self._shares(kept.sum(1).to(inputs), len(batch))
        deltas = self.layout.logits(self.weights, inputs).softmax(0)  # [classes, K, B]
        hot = functional.one_hot(self.run.samples.labels[batch], len(deltas))
        deltas -= hot.T[:, None]
        deltas *= kept * on_mean[:, None]
        gradients = self.weights * (self.run.objective.l2 * on_penalty)[:, None]
        self.layout.add_outer_(gradients, deltas, inputs, beta=1.0, alpha=1.0)
        return gradients

    def _shares(self, kept: torch.Tensor, size: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Factors on each kept sample's loss, and on the penalty, of each model: ``[K]``."""
        of_mean, of_penalty = weights_kept(kept / size, self.convention)
        ones = torch.ones_like(kept)
        if self.convention == "R1":
            if not bool(kept.all()):
                warnings.warn("R1: a batch was deleted whole, its step is left out", stacklevel=5)
            of_penalty = (kept > 0).to(kept)  # such a model makes no step at all
        return of_mean * ones / kept.clamp(min=1.0), of_penalty * ones
