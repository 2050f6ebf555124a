"""Three kinds of rows under unlearned models: forgotten, retained, and never learned.

An attack on a model that has unlearned can be asked three things. Forgotten rows against rows never
learned: does the forgotten still show? After exact retraining nobody can tell these apart, as the
retrained model depends on neither. Retained rows against rows never learned: do those that stay
show, and more than before? And all that was learned against the rest, which mixes the two.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch

from unlearning.base import checks


class Groups(NamedTuple):
    """Scores of as many rows of each kind, each row under one model, no row twice in a kind.

    Attributes:
        forgotten: rows under the model that has unlearned them, shape ``[K * m]``.
        retained: rows under a model that has learned and kept them, likewise.
        never: rows that no model has learned, likewise.
    """

    forgotten: torch.Tensor
    retained: torch.Tensor
    never: torch.Tensor


def groups(scores: torch.Tensor, learned: torch.Tensor, sets: Sequence[Sequence[int]]) -> Groups:
    """Sort the scores of an attack, one model for each of several disjoint forget sets.

    Model k is asked about set k, about the next set, which it has kept, and about as many rows that
    were never learned, others for each model. So all three have as many rows, and one row is never
    counted under two models, which would make intervals too short.

    Args:
        scores: of K models on P rows, shape ``[K, P]``.
        learned: which rows were learned before unlearning, shape ``[P]``.
        sets: K disjoint lists of m numbers of learned rows.

    Raises:
        ValueError: for other shapes, fewer than two sets, sets that overlap, differ in size or hold
            a row that was not learned, or fewer rows never learned than forgotten ones.
    """
    if scores.ndim != 2 or len(scores) < 2:
        checks.fail("scores", "shape [K, P] of two or more models", list(scores.shape))
    if learned.dtype != torch.bool or learned.shape != scores.shape[1:]:
        given = f"{learned.dtype} of shape {list(learned.shape)}"
        checks.fail("learned", f"a mask of shape {list(scores.shape[1:])}", given)
    chosen = _disjoint(sets, learned, len(scores))
    others = (~learned).nonzero()[:, 0]
    if len(others) < chosen.numel():
        wanted = f"{chosen.numel()} rows never learned, as many as are forgotten"
        checks.fail("learned", wanted, len(others))
    kinds = chosen, chosen.roll(-1, 0), others[: chosen.numel()].view_as(chosen)
    return Groups(*(scores.gather(1, rows).flatten() for rows in kinds))


def _disjoint(sets: Sequence[Sequence[int]], learned: torch.Tensor, models: int) -> torch.Tensor:
    """The sets as an array ``[K, m]``."""
    given = checks.listed("sets", sets, "lists of row numbers")
    given = [checks.forget_set("sets", members, len(learned)) for members in given]
    if len(given) != models or len({len(members) for members in given}) != 1:
        sizes = [len(members) for members in given]
        checks.fail("sets", f"{models} sets of one size, one a model", f"sizes {sizes}")
    chosen = torch.tensor(given, device=learned.device)
    if len(chosen.unique()) != chosen.numel():
        checks.fail("sets", "sets that share no row", "a row in two of them")
    if not bool(learned[chosen].all()):
        row = int(chosen[~learned[chosen]][0])
        checks.fail("sets", "rows that were learned", f"row {row}, which was not")
    return chosen
