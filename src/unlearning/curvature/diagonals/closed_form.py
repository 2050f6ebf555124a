"""Softmax regression: the diagonal of its Hessian, which is its Gauss-Newton matrix, in one pass.

With ``p`` the class probabilities of a sample ``x`` (a bias is one input more that is always 1)::

    H[(c, j), (c, j)] = mean over the samples of p_c (1 - p_c) x_j^2
"""

import torch
from torch.nn import functional

from unlearning.curvature.diagonals.task import Found, Task
from unlearning.curvature.kernels import softmax
from unlearning.curvature.kernels.layout import Layout
from unlearning.problem.objective import Objective


def check(objective: Objective, method: str) -> None:
    """Refuse every model but softmax regression; it serves both methods alike.

    Raises:
        UnfitError: naming what else there is.
    """
    softmax.check(objective)


@torch.no_grad()
def compute(task: Task) -> Found:
    """The diagonal, by one product of matrices a batch."""
    rows = task.rows(2 * task.samples.inputs[0].numel())
    layout, out = Layout(rows.objective), torch.zeros_like(rows.w)
    weight, bias = layout.parts(out)
    for share, inputs, _ in rows:
        x = inputs.flatten(1)
        p = functional.linear(x, *layout.parts(rows.w)).softmax(1)
        curvature = p * (1 - p) * (share / len(x))
        weight += curvature.T @ x.square()
        if bias is not None:
            bias += curvature.sum(0)
    return Found(out)
