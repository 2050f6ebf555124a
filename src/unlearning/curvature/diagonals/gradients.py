"""Any model: mean squares of the samples' own gradients, for the labels that a method takes."""

import torch

from unlearning.curvature.diagonals.labels import Labels
from unlearning.curvature.diagonals.task import Found, Task
from unlearning.curvature.kernels.chain import UnfitError
from unlearning.problem.objective import Objective


def check(objective: Objective, method: str) -> None:
    """Refuse an objective whose outputs are not known to be a distribution of labels.

    Raises:
        UnfitError: saying so.
    """
    if method != "empirical_fisher" and not objective.as_named:
        raise UnfitError("an objective with a loss of its own")


def compute(task: Task) -> Found:
    """The diagonal, at the cost of a gradient of each sample for each of its labels."""
    labels, passes = Labels(task), 0
    rows = task.rows(4 * len(task.w))
    objective, w, out = rows.objective, rows.w, torch.zeros_like(rows.w)
    for share, inputs, own in rows:
        with torch.no_grad():
            outputs = objective.outputs(w, inputs)
        wanted = list(labels.next(objective, outputs, own))
        passes = len(wanted)
        for weight, given in wanted:
            squares = objective.sample_gradients(w, inputs, given).square_()
            weights = torch.as_tensor(weight, dtype=w.dtype, device=w.device).expand(len(own))
            out.add_(weights @ squares, alpha=share / len(own))
    return Found(out, passes=passes)
