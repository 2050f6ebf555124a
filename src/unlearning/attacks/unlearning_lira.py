"""U-LiRA: has a row been unlearned, or was it never learned? (Hayes et al. 2024).

LiRA with other questions. For each row there are models that learned it and then unlearned it, and
models that never saw it and unlearned other rows. Where unlearning is exact the two laws are one,
and no attack gets beyond a half. Gaussians are fitted on some of the models and judged on others.
"""

from typing import NamedTuple

import torch

from unlearning.attacks.lira import log_ratio, reference
from unlearning.base import checks


class HeldOut(NamedTuple):
    """Log-likelihood ratios, each of a row under a model that was not fitted on.

    Attributes:
        unlearned: of rows that the model had learned and unlearned, shape ``[A]``.
        never: of rows that it had never seen, shape ``[B]``.
    """

    unlearned: torch.Tensor
    never: torch.Tensor


def held_out_ratios(
    margins: torch.Tensor,
    unlearned: torch.Tensor,
    never: torch.Tensor,
    *,
    folds: int = 4,
    variance: str = "common",
) -> HeldOut:
    """Judge every model by Gaussians that were fitted without it.

    Args:
        margins: of N models after unlearning on P rows, shape ``[N, P]``.
        unlearned: which model had learned and unlearned which row, shape ``[N, P]``.
        never: which had never seen it; what is in neither mask is not looked at.
        folds: the models are left out in so many groups, one after the other. Models 2k and 2k + 1
            stay together, since what one of them learned says what the other did
            (``shadows.halves``).
        variance: as for ``lira.reference``.

    Raises:
        ValueError: for fewer than two folds or more than pairs, a row in both masks, or as
            ``lira.reference`` does, such as for a row with fewer than two models of a kind left.
    """
    checks.integer("folds", folds, least=2, most=len(margins) // 2)
    if unlearned.shape == never.shape and bool((unlearned & never).any()):
        checks.fail("never", "rows that the model has not unlearned", "a row in both masks")
    sides = [], []
    for fold in range(folds):
        out = torch.arange(len(margins)) // 2 % folds == fold
        found = reference(margins[~out], unlearned[~out], never=never[~out], variance=variance)
        scores = log_ratio(found, margins[out])
        for side, mask in zip(sides, (unlearned[out], never[out]), strict=True):
            side.append(scores[mask])
    return HeldOut(*(torch.cat(side) for side in sides))
