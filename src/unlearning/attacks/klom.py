"""KLOM: do unlearned models answer as retrained ones do, in distribution? (Georgiev et al. 2024).

For every row, the margins of many unlearned models are compared with those of many retrained ones,
each trained from a random order or start of its own. The divergence of two histograms is above 0
even where both come from one law, so it means something beside that of retrained models among
themselves.
"""

import torch

from unlearning.base import checks

#: Margins beyond are counted as if they were here.
LIMIT = 100.0
#: The least probability that a bin is given.
FLOOR = 1e-5


def klom(
    unlearned: torch.Tensor, retrained: torch.Tensor, *, bins: int = 20, swapped: bool = False
) -> torch.Tensor:
    """KL divergence of the margins of unlearned from those of retrained models, row by row.

    Both are counted in equal bins over their joint range. Empty bins get a probability of 1e-5, and
    then each histogram is scaled to add up to 1.

    Args:
        unlearned: margins of K models on P rows, shape ``[K, P]`` (``margins.margins_of``).
        retrained: of L models, shape ``[L, P]``.
        bins: number of bins.
        swapped: ``KL(retrained || unlearned)``, as the released code of the paper computes.

    Returns:
        In nats, at least 0, shape ``[P]``.

    Raises:
        ValueError: for other shapes, margins that are no numbers, or fewer than two bins.
    """
    checks.integer("bins", bins, least=2)
    sides = [side.double().clamp(-LIMIT, LIMIT) for side in (unlearned, retrained)]
    for name, side in zip(("unlearned", "retrained"), sides, strict=True):
        if side.ndim != 2 or side.shape[1:] != sides[0].shape[1:] or not len(side):
            checks.fail(name, "margins of shape [models, rows], of the same rows", list(side.shape))
        if bool(side.isnan().any()):
            checks.fail(name, "margins that are numbers", "NaN among them")
    low = torch.minimum(*(side.amin(0) for side in sides))
    width = (torch.maximum(*(side.amax(0) for side in sides)) - low) / bins
    p, q = (_histogram(side, low, width, bins) for side in sides)
    p, q = (q, p) if checks.boolean("swapped", swapped) else (p, q)
    return (p * (p / q).log()).sum(0)


def _histogram(
    margins: torch.Tensor, low: torch.Tensor, width: torch.Tensor, bins: int
) -> torch.Tensor:
    """Shares of the bins: shape ``[bins, P]``."""
    place = ((margins - low) / width.clamp(min=torch.finfo(width.dtype).tiny)).long()
    place = place.clamp(0, bins - 1)
    counts = margins.new_zeros(bins, margins.shape[1])
    counts.scatter_add_(0, place, torch.ones_like(margins))
    shares = (counts / len(margins)).clamp(min=FLOOR)
    return shares / shares.sum(0)
