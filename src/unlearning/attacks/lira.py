"""LiRA, the likelihood-ratio attack of Carlini et al. (2022).

How sure a model is of a row hangs on the row more than on whether the model learned it. So each row
gets two Gaussians, of the margins under the shadows that learned it and under those that did not,
and a target is asked which of them its margin fits. The shadows must not have seen the target, and
the target's row must be one of their pool.
"""

from typing import NamedTuple

import torch

from unlearning.base import checks

VARIANCES = ("each", "pooled", "common")
#: A standard deviation below this share of the largest margin is rounding, not spread.
ROUNDING = 1e-6


class Reference(NamedTuple):
    """What margins a row has among shadows.

    Attributes:
        mean_in: among those that learned it, shape ``[P]``.
        mean_out: among the others, shape ``[P]``.
        spread_in: standard deviation, shape ``[P]``.
        spread_out: likewise.
    """

    mean_in: torch.Tensor
    mean_out: torch.Tensor
    spread_in: torch.Tensor
    spread_out: torch.Tensor


def reference(
    margins: torch.Tensor,
    learned: torch.Tensor,
    *,
    never: torch.Tensor | None = None,
    variance: str = "common",
) -> Reference:
    """Fit the Gaussians.

    Args:
        margins: of N shadows on P rows, shape ``[N, P]`` (``Shadows.margins``).
        learned: which shadow learned which row, shape ``[N, P]``.
        never: which did not; by default all others.
        variance: ``each`` row its own, on each side (customary from 64 shadows on); ``pooled``
            over the rows, one for each side; or ``common``, one for all. With two different ones a
            margin far above both means counts for the side of the wider Gaussian, often the wrong
            one: a model that has learned a row by heart is then taken for one that has not.

    Raises:
        ValueError: for other shapes, a row with fewer than two shadows on a side, margins that are
            not finite, or without any spread.
    """
    checks.choice("variance", variance, VARIANCES)
    if margins.ndim != 2 or not bool(margins.isfinite().all()):
        checks.fail("margins", "finite numbers of shape [N, P]", list(margins.shape))
    masks = {"learned": learned, "never": ~learned if never is None else never}
    for name, mask in masks.items():
        if mask.shape != margins.shape or mask.dtype != torch.bool:
            given = f"{mask.dtype} of shape {list(mask.shape)}"
            checks.fail(name, f"a mask of shape {list(margins.shape)}", given)
    means, squares, free = zip(
        *(_side(name, margins.double(), mask) for name, mask in masks.items()), strict=True
    )
    spreads = [spread.expand_as(means[0]) for spread in _spreads(squares, free, variance)]
    least = min(float(spread.min()) for spread in spreads)
    if least <= ROUNDING * float(margins.abs().max()):
        checks.fail("margins", "margins that differ from shadow to shadow", f"a spread of {least}")
    return Reference(*means, *spreads)


def _side(name: str, margins: torch.Tensor, mask: torch.Tensor):
    """Over the shadows of the mask: mean, squared deviations, degrees of freedom; ``[P]`` each."""
    count = mask.sum(0)
    if int(count.min()) < 2:
        checks.fail(name, "two or more shadows for each row", f"a row with {int(count.min())}")
    mean = (margins * mask).sum(0) / count
    return mean, ((margins - mean).square() * mask).sum(0), count - 1


def _spreads(squares: tuple, free: tuple, variance: str) -> list[torch.Tensor]:
    """Standard deviations of both sides, of each row or of all."""
    if variance == "each":
        return [(side / count).sqrt() for side, count in zip(squares, free, strict=True)]
    if variance == "pooled":
        return [
            (side.sum() / count.sum()).sqrt() for side, count in zip(squares, free, strict=True)
        ]
    return [(sum(side.sum() for side in squares) / sum(n.sum() for n in free)).sqrt()] * 2


def log_ratio(found: Reference, margins: torch.Tensor) -> torch.Tensor:
    """The online attack: log-likelihood of "learned" less that of "not learned".

    Args:
        found: the Gaussians of P rows.
        margins: of targets on these rows, shape ``[..., P]``.

    Returns:
        Shape ``[..., P]``, in double precision; above 0 speaks for membership.

    Raises:
        ValueError: for margins of another number of rows.
    """
    margins = _fitting(found, margins)
    return _log_density(margins, found.mean_in, found.spread_in) - _log_density(
        margins, found.mean_out, found.spread_out
    )


def standing_out(found: Reference, margins: torch.Tensor) -> torch.Tensor:
    """The offline attack: by how many deviations the margin exceeds those of non-members.

    It needs no shadow that learned the row. Its normal distribution function is what Carlini et al.
    write; the order of the scores is the same.

    Args:
        found: the Gaussians of P rows.
        margins: of targets on these rows, shape ``[..., P]``.

    Returns:
        Shape ``[..., P]``, in double precision.

    Raises:
        ValueError: for margins of another number of rows.
    """
    return (_fitting(found, margins) - found.mean_out) / found.spread_out


def _fitting(found: Reference, margins: torch.Tensor) -> torch.Tensor:
    if margins.shape[-1:] != found.mean_in.shape:
        expected = f"shape [..., {len(found.mean_in)}], the rows of the reference"
        checks.fail("margins", expected, list(margins.shape))
    return margins.double()


def _log_density(x: torch.Tensor, mean: torch.Tensor, spread: torch.Tensor) -> torch.Tensor:
    """Of a Gaussian, but for a constant."""
    return -((x - mean) / spread).square() / 2 - spread.log()
