"""What the authors' code does otherwise in its two attacks, each departure by name.

``MIA_L`` are those of the attack on the learned data (LiRA), ``MIA_U`` those of the attack on the
difference of two models; ``errata.yml`` says where each stands. None is used where an attack is
done as it should be: they are here to show what each does to a number.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from scipy import stats
from sklearn.base import ClassifierMixin
from torch import nn

from unlearning.attacks import roc
from unlearning.attacks.update_leakage import Answers, Attacker
from unlearning.base import checks
from unlearning.base.streams import stream
from unlearning.problem.samples import Samples

MIA_L = (
    "all_rows_as_members", "large_shadows", "members_among_negatives", "other_labels",
)  # fmt: skip
MIA_U = (
    "one_set", "target_pair", "in_sample", "retained_negatives", "all_retained", "active_dropout",
)  # fmt: skip
#: Of MIA_U: what makes sense only together with another.
REQUIRED = {"in_sample": "target_pair", "all_retained": "retained_negatives"}


def other_labels(samples: Samples, *, seed: int = 0) -> Samples:
    """``other_labels`` (L1): the rows with labels in an order that is not theirs.

    The released code takes rows in the order of a random subset and labels in the original order of
    the data set; here the labels are shuffled, which is the same thing.

    Args:
        samples: rows with their labels.
        seed: of the order.
    """
    order = torch.randperm(len(samples), generator=stream("labels of other rows", seed))
    return Samples(samples.inputs, samples.labels[order.to(samples.labels.device)])


def overlapping_pool(members: int, file_rows: int, *, seed: int = 0) -> torch.Tensor:
    """``members_among_negatives`` (L2): members, then "others" among which most members are again.

    The released code means to draw as many other rows as the file has, but takes nothing away from
    the file before: of 60,000 rows it draws 59,000, and with them 98% of the 1,000 members.

    Args:
        members: their number n; they are the first rows of the file.
        file_rows: N, rows of the file.
        seed: of the draw.

    Returns:
        Row numbers, the n members first, then N - n drawn from all N: shape ``[N]``.

    Raises:
        ValueError: for no member, or as many as the file has rows.
    """
    checks.integer("members", members, least=1)
    checks.integer("file_rows", file_rows, least=members + 1)
    drawn = torch.randperm(file_rows, generator=stream("a pool that overlaps", seed))
    return torch.cat([torch.arange(members), drawn[: file_rows - members]])


class Seen(NamedTuple):
    """Features of rows through pairs of models, one pair for each of K forget sets of m rows.

    Attributes:
        deleted: shape ``[K, m, f]``.
        never: rows never learned, as many, shape ``[K, m, f]``.
        retained: as many rows that each model has kept, shape ``[K, m, f]``.
        stayed: all rows that the first model has kept, shape ``[n - m, f]``.
    """

    deleted: np.ndarray
    never: np.ndarray
    retained: np.ndarray
    stayed: np.ndarray


def nothing_deleted(seen: Seen, draw: int = 0) -> Seen:
    """The same with retained rows in the place of the first set: there is nothing to be found.

    Of the rows that stayed, m are called deleted. A reading of ``one_set`` with ``all_retained``
    that is above a half for them has another cause than a deletion.

    Args:
        seen: features; those of the first set and of what its model has kept are used.
        draw: which m of the rows that stayed, counted in blocks of m.

    Raises:
        ValueError: for a block beyond the rows that stayed.
    """
    m = seen.deleted.shape[1]
    blocks = len(seen.stayed) // m
    start = m * checks.integer("draw", draw, least=0, most=blocks - 1)
    others = np.concatenate([seen.stayed[:start], seen.stayed[start + m :]])
    return seen._replace(deleted=seen.stayed[None, start : start + m], stayed=others)


def update_leakage(
    target: Seen,
    shadow: Seen,
    quirks: Iterable[str] = (),
    *,
    classifier: ClassifierMixin | None = None,
) -> float:
    """AUC of the attack on the difference of two models (MIA-U), with chosen departures.

    Without any it is fitted on the attacker's own pairs and tested on the target's, deleted rows
    against rows never learned.

    Args:
        target: what is seen of the target's models.
        shadow: what is seen of the attacker's.
        quirks: names out of ``MIA_U``: ``one_set``, only the first of the forget sets (U6);
            ``target_pair``, fitted on one half of the target's own rows and tested on the other,
            both ways round (U2); with it ``in_sample``, fitted on the rows of the test (U1);
            ``retained_negatives`` in the place of rows never learned (U3); with it
            ``all_retained``, all of the first model's (U5). ``active_dropout`` (U4) is in the
            features, if it is (``with_dropout``), and changes nothing here.
        classifier: as for ``Attacker``; by default a linear one, as released.

    Raises:
        ValueError: for an unknown name, or one without the other that it needs.
    """
    quirks = set(quirks)
    for name in quirks:
        checks.choice("quirks", name, MIA_U)
        if REQUIRED.get(name, name) not in quirks:
            checks.fail("quirks", f"{REQUIRED[name]} with {name}", sorted(quirks))
    mine, theirs = (_sides(seen, quirks) for seen in (target, shadow))
    if "target_pair" not in quirks:
        return _area(theirs, mine, classifier)
    if "in_sample" in quirks:
        return _area(mine, mine, classifier)
    halves = [[side[start::2] for side in mine] for start in (0, 1)]
    return float(np.mean([_area(*pair, classifier) for pair in (halves, halves[::-1])]))


def _sides(seen: Seen, quirks: set[str]) -> list[np.ndarray]:
    """Positives and negatives, ``[rows, f]`` each."""
    several = slice(1) if "one_set" in quirks else slice(None)
    negatives = seen.retained if "retained_negatives" in quirks else seen.never
    sides = [part[several].reshape(-1, part.shape[-1]) for part in (seen.deleted, negatives)]
    return [sides[0], seen.stayed] if "all_retained" in quirks else sides


def _area(fitted, tested, classifier) -> float:
    attacker = Attacker(*fitted, classifier=classifier)
    return roc.auc(*(attacker.scores(side) for side in tested)).value


@torch.no_grad()
def with_dropout(
    model: nn.Module, before: torch.Tensor, after: torch.Tensor, samples, *, seed: int = 0
) -> Answers:
    """``active_dropout`` (U4): what a pair of the papers' CNNs says with its dropout at work.

    One half of the second convolution's maps and of the last hidden units are dropped, as in the
    released network, which is not put into evaluation mode before it is asked.

    Args:
        model: as ``models.cnn`` builds it.
        before: the first weights, shape ``[d]``.
        after: the second, shape ``[d]``.
        samples: the rows that are asked.
        seed: of what is dropped; the two models drop different parts.

    Raises:
        ValueError: for a model that is not built of two convolutions and two linear layers.
    """
    layers = list(model.children())
    places = [k for k, layer in enumerate(layers) if isinstance(layer, nn.Conv2d | nn.Linear)]
    kinds = [type(layers[k]) for k in places]
    if kinds != [nn.Conv2d, nn.Conv2d, nn.Linear, nn.Linear]:
        checks.fail(
            "model", "two convolutions, then two linear layers", [k.__name__ for k in kinds]
        )
    second, last = places[1] + 1, places[3]
    parts = layers[:second], [nn.Dropout2d()], layers[second:last], [nn.Dropout()], layers[last:]
    dropping = nn.Sequential(*(layer for part in parts for layer in part)).train()
    names = [name for name, _ in dropping.named_parameters()]
    shapes = [p.shape for p in dropping.parameters()]
    found = []
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for weights in (before, after):
            pieces = weights.split([shape.numel() for shape in shapes])
            named = {n: p.view(s) for n, p, s in zip(names, pieces, shapes, strict=True)}
            logits = torch.func.functional_call(dropping, named, samples.inputs)
            found.append(logits.double().softmax(1).cpu().numpy())
    return Answers(*found)


def chance_in_sample(m: int, others: int, width: int) -> float:
    """The AUC of a discriminant on the rows of its fit where there is nothing to be found.

    m positives and n' negatives from one Gaussian law of known covariance in k dimensions, scored
    along the difference v of their means: ``E Phi(|v| / sqrt(2 - 1/m - 1/n'))``, exactly, with
    ``|v|^2 = (1/m + 1/n') chi^2_k`` (chapter 12).

    Args:
        m: positives.
        others: negatives, n'.
        width: dimensions, k; of differences of class probabilities, one less than classes.

    Raises:
        ValueError: for numbers below 1, or one row of each kind (the score is then always right).
    """
    for name, value in (("m", m), ("others", others), ("width", width)):
        checks.integer(name, value, least=1)
    each = 1 / m + 1 / others
    if each == 2:
        checks.fail("others", "two rows of a kind or more", "one of each")
    levels = (np.arange(2000) + 0.5) / 2000
    lengths = np.sqrt(each * stats.chi2.ppf(levels, width))
    return float(stats.norm.cdf(lengths / np.sqrt(2 - each)).mean())
