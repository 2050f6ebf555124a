"""Training in shards (SISA), so that a change of the data reaches only a part of what was learned.

After Bourtoule et al. (2021), with one slice a shard: the samples are divided into shards, and a
model is trained on each. Together they answer by the mean of their class probabilities, in place of
the majority of their labels. When rows change, the shards that hold some of them are trained again
from the same start: exact unlearning of this ensemble, which is another model than one network
trained on everything.
"""

import dataclasses
import math
from dataclasses import dataclass

import torch

from unlearning.base import checks
from unlearning.problem.objective import Objective
from unlearning.problem.samples import Samples
from unlearning.training.schedule import Schedule
from unlearning.training.trajectory import train


@dataclass(frozen=True, eq=False)
class Shards:
    """Models of the parts of a training set.

    Attributes:
        objective: what each model minimises on its shard, from the same initial weights.
        samples: all n training samples.
        schedule: of every shard; a batch is never larger than its shard.
        parts: sample numbers of each shard, rising; every sample is in one.
        weights: learned weights of each, shape ``[K, d]``.
        trained: how many shards were trained for this: all, or those that a change has reached.
    """

    objective: Objective
    samples: Samples
    schedule: Schedule
    parts: list[list[int]]
    weights: torch.Tensor
    trained: int

    def log_probabilities(self, inputs: torch.Tensor) -> torch.Tensor:
        """Logarithm of the mean of the models' class probabilities: ``[b, classes]``."""
        with torch.no_grad():
            each = [self.objective.outputs(w, inputs).log_softmax(1) for w in self.weights]
        return torch.stack(each).logsumexp(0) - math.log(len(each))

    def correct(self, rows, corrected: Samples | None) -> "Shards":
        """Train the shards that hold some of the rows again, without what was wrong.

        Args:
            rows: sample numbers, distinct.
            corrected: the corrected versions of these rows; None drops them.

        Returns:
            Shards of the corrected data. Dropped rows stay in ``samples`` and leave ``parts``.

        Raises:
            ValueError: for invalid rows, corrected rows that are not one for each, or a shard of
                which nothing would be left.
        """
        rows = checks.indices("rows", rows, len(self.samples))
        samples, parts = self.samples, self.parts
        if corrected is None:
            gone = set(rows)
            parts = [[i for i in part if i not in gone] for part in parts]
            if not all(parts):
                checks.fail("rows", "some samples of each shard left", "a shard dropped whole")
        else:
            samples = _replaced(samples, rows, corrected)
        reached = [k for k, part in enumerate(self.parts) if set(part) & set(rows)]
        weights = self.weights.clone()
        for k in reached:
            weights[k] = _learned(self.objective, samples, self.schedule, parts[k])
        changes = {"samples": samples, "parts": parts, "weights": weights}
        return dataclasses.replace(self, trained=len(reached), **changes)


def train_shards(
    objective: Objective, samples: Samples, schedule: Schedule, *, shards: int
) -> Shards:
    """Divide the samples at random into shards of almost equal size, and train a model on each.

    Args:
        objective: loss, model and penalty; a classifier's.
        samples: the training samples.
        schedule: of each model; its seed also draws the shards.
        shards: K, how many.

    Raises:
        ValueError: for a number of shards that is not between 1 and n, another loss than the
            cross-entropy, or samples that do not fit the objective.
    """
    if objective.loss_name != "cross_entropy":
        checks.fail("objective", "a classifier with the cross-entropy", objective.loss_name)
    shards = checks.integer("shards", shards, least=1, most=len(samples))
    generator = torch.Generator().manual_seed(schedule.seed)
    order = torch.randperm(len(samples), generator=generator)
    parts = [sorted(part.tolist()) for part in order.tensor_split(shards)]
    weights = torch.stack([_learned(objective, samples, schedule, part) for part in parts])
    return Shards(objective, samples, schedule, parts, weights, shards)


def _learned(objective, samples: Samples, schedule: Schedule, part: list[int]) -> torch.Tensor:
    """What the model of one shard learns."""
    own = dataclasses.replace(schedule, batch_size=min(schedule.batch_size, len(part)))
    return train(objective, samples[part], own, keep=False).weights


def _replaced(samples: Samples, rows: list[int], corrected: Samples) -> Samples:
    """A copy with other inputs and labels in some rows."""
    wanted = [len(rows), *samples.inputs.shape[1:]]
    if list(corrected.inputs.shape) != wanted:
        checks.fail("corrected", f"inputs {wanted}", list(corrected.inputs.shape))
    inputs, labels = samples.inputs.clone(), samples.labels.clone()
    inputs[rows], labels[rows] = corrected.inputs, corrected.labels
    return Samples(inputs, labels)
