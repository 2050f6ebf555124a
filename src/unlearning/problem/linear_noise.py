"""Logistic regression with one weight per feature, and an objective with a linear term.

The model and the perturbation of certified removal (Guo et al. 2020; Chaudhuri et al. 2011)::

    F(w) = mean of log(1 + exp(-y x.w)) + l2/2 |w|^2 + b.w,      y = -1 for class 0, +1 for class 1

The published form is n times this one, with n times its b.
"""

import torch
from torch import nn

from unlearning.base import checks
from unlearning.problem.objective import Objective


class TwoClasses(nn.Module):
    """``x.w`` as the score of class 1 against 0, without a bias: d = features.

    The cross-entropy of these two scores is the logistic loss.

    Args:
        features: number of features; inputs are flattened.
        dtype: of the weights, which start at 0.
    """

    def __init__(self, features: int, *, dtype: torch.dtype = torch.float64):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(features, dtype=dtype))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Scores ``[b, 2]`` for inputs ``[b, ...]``; the first is 0."""
        scores = inputs.flatten(1) @ self.weight
        return torch.stack([torch.zeros_like(scores), scores], dim=1)


class WithLinearTerm(Objective):
    """An objective plus ``b.w``: in its mean loss and gradients, not in ``losses`` of samples.

    b goes with the MEAN of the losses. So where rows are dropped, what is left is the mean over the
    rows that stay plus b.w, times what the convention puts on the mean: 1 under R1, (n - m)/n under
    R2 and R3, where b is shared out as the losses are. Where a sum of losses has one b for any
    number of rows, as published, n - m rows have n/(n - m) times the b of n rows here; give the
    retained rows such a term yourself. Corrected rows leave n, and b, as they are.

    Args:
        model: as for ``Objective``.
        term: b, shape ``[d]``, in the dtype of the weights.
        l2: as for ``Objective``.

    Raises:
        ValueError: as ``Objective`` does, or for a term that does not fit the weights.
    """

    def __init__(self, model: nn.Module, term: torch.Tensor, l2: float = 0.0):
        super().__init__(model, l2=l2)
        w = self.initial_weights
        checks.instance("term", term, torch.Tensor, "a tensor")
        if term.shape != w.shape or term.dtype != w.dtype or not bool(term.isfinite().all()):
            given = f"{term.dtype} of shape {list(term.shape)}"
            checks.fail("term", f"finite numbers, {w.dtype} of shape {list(w.shape)}", given)
        self.term = term.clone()

    def mean_loss(self, w, inputs, labels) -> torch.Tensor:
        """Mean loss over a batch plus ``b.w``, without penalty."""
        return super().mean_loss(w, inputs, labels) + self.term @ w
