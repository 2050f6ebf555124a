"""Labels that squared gradients are taken for: the samples' own, drawn ones, or all of them.

With ``g(y)`` the gradient of a sample's loss under the label ``y``, and labels that follow the
model's own outputs (class ``c`` with probability ``p_c``; of the squared loss a normal distribution
around the output with variance 1), the expected square of ``g(y)`` is the diagonal of the Fisher
information, and for these two losses that is the Gauss-Newton matrix (Martens 2020)::

    diag(J^T L J) = sum over c of p_c g(c)^2          L = diag p - p p^T
    diag(J^T L J) = g(f - 1)^2                        L = 1, g(y) = (f - y) grad f
"""

from collections.abc import Iterator

import torch

from unlearning.curvature.diagonals.task import Task
from unlearning.problem.objective import Objective

# Weight of each sample's square (one number for all, or [b]), and the labels [b].
Weighted = tuple[float | torch.Tensor, torch.Tensor]


class Labels:
    """The labels that a method takes, batch after batch.

    Args:
        task: its method is ``ggn``, ``fisher`` or ``empirical_fisher``.
    """

    def __init__(self, task: Task):
        self._method, self._draws, self._start = task.method, task.probes, 0
        if task.method == "fisher":
            # All at once, so that they do not depend on how the samples are cut into batches.
            draw = torch.rand if task.objective.loss_name == "cross_entropy" else torch.randn
            shape = task.probes, len(task.samples)
            self._noise = draw(shape, generator=task.generator(), dtype=torch.float64)

    def next(self, objective: Objective, outputs, labels) -> Iterator[Weighted]:
        """For the next batch, of these outputs and own labels."""
        if self._method == "ggn":
            yield from _all(objective, outputs)
        elif self._method == "empirical_fisher":
            yield 1.0, labels
        else:
            part = slice(self._start, self._start + len(labels))
            self._start = part.stop
            for noise in self._noise[:, part].to(outputs):
                yield 1.0 / self._draws, _drawn(objective, outputs, noise)


def _all(objective: Objective, outputs: torch.Tensor) -> Iterator[Weighted]:
    if objective.loss_name == "squared":
        yield 1.0, outputs.reshape(len(outputs)) - 1.0
        return
    for number, probability in enumerate(outputs.softmax(1).T):
        yield probability, torch.full_like(probability, number, dtype=torch.int64)


def _drawn(objective: Objective, outputs: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
    """Labels from the model's distribution, for ``noise [b]`` uniform in [0, 1) or normal."""
    if objective.loss_name == "squared":
        return outputs.reshape(len(outputs)) + noise
    reached = outputs.softmax(1).cumsum(1) <= noise[:, None]
    return reached.sum(1).clamp(max=outputs.shape[1] - 1)  # their sum is rounded
