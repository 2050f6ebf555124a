"""The Hessian of softmax regression written out in closed form, block by block of its classes.

With ``p`` the class probabilities of a sample ``x`` (a bias is one input more that is always 1)::

    C = mean over the samples of (diag p - p p^T) (x) x x^T

A block takes one product of matrices, and with its mirror image it is symmetric. So c classes and p
inputs take ``c (c + 1) n p^2`` operations; products with all unit vectors take ``4 n (c p)^2``.
"""

import itertools

import torch
from torch.nn import functional

from unlearning.base import checks
from unlearning.base.precision import in_full_float32
from unlearning.curvature.kernels import softmax
from unlearning.curvature.kernels.chain import UnfitError
from unlearning.curvature.kernels.layout import Layout
from unlearning.problem.objective import Objective
from unlearning.problem.samples import Samples


@in_full_float32
@torch.no_grad()
def softmax_matrix(objective: Objective, samples: Samples, w: torch.Tensor) -> torch.Tensor:
    """C, the Hessian of the mean loss over samples at ``w [d]``, without penalty: ``[d, d]``.

    Args:
        objective: of softmax regression.
        samples: the rows over which the mean is taken.
        w: the point; C comes in its dtype.

    Raises:
        ValueError: for another model or loss.
    """
    try:
        softmax.check(objective)
    except UnfitError as unfit:
        checks.fail("objective", "softmax regression", str(unfit))
    layout, x = Layout(objective), samples.inputs.flatten(1).to(w)
    p = functional.linear(x, *layout.parts(w)).softmax(1)
    place, bias = layout.parts(torch.arange(len(w), device=w.device))
    if bias is not None:
        x, place = _with(x, torch.ones_like(x[:, 0])), _with(place, bias)
    out = w.new_empty(len(w), len(w))
    for a, b in itertools.combinations_with_replacement(range(p.shape[1]), 2):
        curvature = p[:, a] * (float(a == b) - p[:, b]) / len(x)
        block = (x * curvature[:, None]).T @ x
        out[place[a][:, None], place[b]] = block
        out[place[b][:, None], place[a]] = block.T
    return out


def _with(columns: torch.Tensor, one_more: torch.Tensor) -> torch.Tensor:
    return torch.cat([columns, one_more[:, None]], 1)
