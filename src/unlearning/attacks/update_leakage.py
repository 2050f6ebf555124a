"""Attacks that see a model before and after a deletion (MIA-U; Chen et al., CCS 2021).

What has been deleted may show by the change. For each row the attacker has the class probabilities
of both models, makes one of five features of them, and asks a classifier that was fitted on pairs
of its own (the shadow side) whether the row was deleted or was never learned. ``before`` is the
sixth feature, for an attacker who sees the first model only.

Such an attack legitimately succeeds against exact retraining, too: retraining is one of the two
models that it compares. It measures what an update gives away, not whether forgetting is complete.
"""

from typing import NamedTuple

import numpy as np
import torch
from sklearn.base import ClassifierMixin, clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from unlearning.base import checks

FEATURES = (
    "direct_diff", "sorted_diff", "l2_distance", "direct_concat", "sorted_concat", "before",
)  # fmt: skip


class Answers(NamedTuple):
    """Class probabilities of the same rows, shape ``[n, classes]`` each.

    Attributes:
        before: of the model that had learned everything.
        after: of the model after a deletion.
    """

    before: np.ndarray
    after: np.ndarray


@torch.no_grad()
def answers(objective, before: torch.Tensor, after: torch.Tensor, which, samples) -> Answers:
    """Ask each row's own pair of models.

    Args:
        objective: of all models, with class numbers as labels.
        before: the first models, shape ``[K, d]``, or ``[d]`` for one that all pairs share.
        after: the second models, shape ``[K, d]``.
        which: for each row the number of its pair, shape ``[n]``.
        samples: the rows, n of them.

    Raises:
        ValueError: for weights of other shapes, a pair that does not exist, another number of rows,
            or probabilities that are not finite.
    """
    objective.check_samples(samples)
    if after.ndim != 2 or after.shape[1] != objective.dimension:
        checks.fail("after", f"shape [K, {objective.dimension}]", list(after.shape))
    if before.shape not in (after.shape, after.shape[1:]):
        given = list(before.shape)
        checks.fail("before", f"shape {list(after.shape)} or {list(after.shape[1:])}", given)
    which = torch.as_tensor(which)
    if which.shape != (len(samples),):
        checks.fail("which", f"a pair for each of {len(samples)} rows", list(which.shape))
    checks.indices("which", sorted(set(which.tolist())), len(after))
    own = [(before, which), (after, which)]
    if before.ndim == 1:
        own[0] = before[None], torch.zeros_like(which)
    return Answers(*(_probabilities(objective, *one, samples.inputs) for one in own))


def _probabilities(objective, models, which, inputs) -> np.ndarray:
    """Of each row under its own model; the rows of a model are asked together."""
    found = None
    for k in which.unique().tolist():
        rows = (which == k).nonzero()[:, 0].to(inputs.device)
        logits = objective.outputs(models[k], inputs[rows]).double()
        found = logits.new_empty(len(which), logits.shape[1]) if found is None else found
        found[rows] = logits.softmax(1)
    if not bool(found.isfinite().all()):
        checks.fail("after", "models with finite outputs", "NaN or infinity among them")
    return found.cpu().numpy()


def features(found: Answers, kind: str = "direct_diff") -> np.ndarray:
    """What the attacker's classifier looks at.

    Args:
        found: the probabilities.
        kind: ``direct_diff`` (before less after), ``sorted_diff`` and ``sorted_concat`` (both in
            the order of the first model's probabilities, largest first), ``direct_concat``,
            ``l2_distance``, or ``before``.

    Returns:
        Shape ``[n, features]``.

    Raises:
        ValueError: for an unknown kind, or probabilities of different shapes.
    """
    checks.choice("kind", kind, FEATURES)
    before, after = (np.asarray(part, np.float64) for part in found)
    if before.ndim != 2 or before.shape != after.shape:
        checks.fail("found", "probabilities [n, classes] of both", (before.shape, after.shape))
    if kind == "before":
        return before
    if kind == "l2_distance":
        return np.linalg.norm(before - after, axis=1, keepdims=True)
    if kind.startswith("sorted"):
        order = np.argsort(-before, axis=1, kind="stable")
        before, after = (np.take_along_axis(part, order, 1) for part in (before, after))
    return before - after if kind.endswith("diff") else np.hstack([before, after])


class Attacker:
    """A classifier of deleted rows and rows never learned, fitted on the attacker's own pairs.

    Args:
        deleted: features of rows that were deleted, shape ``[P, f]``.
        never: of rows that were in neither model's data, shape ``[N, f]``.
        classifier: of scikit-learn, with ``predict_proba``; copied. By default logistic regression
            of standardised features, the classes weighted as if there were as many of each.

    Raises:
        ValueError: for features of different widths, or fewer than two rows of a kind.
    """

    def __init__(self, deleted, never, classifier: ClassifierMixin | None = None):
        sides = [np.asarray(side, np.float64) for side in (deleted, never)]
        for name, side in zip(("deleted", "never"), sides, strict=True):
            if side.ndim != 2 or len(side) < 2 or side.shape[1:] != sides[0].shape[1:]:
                wanted = f"two or more rows of {sides[0].shape[-1]} features"
                checks.fail(name, wanted, f"shape {list(side.shape)}")
        self.width = sides[0].shape[1]
        usual = make_pipeline(
            StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000)
        )
        self.classifier = clone(classifier if classifier is not None else usual)
        self.classifier.fit(np.vstack(sides), np.repeat([1, 0], [len(side) for side in sides]))

    def scores(self, rows) -> np.ndarray:
        """The probability that each row was deleted, of features ``[n, f]``: shape ``[n]``.

        Raises:
            ValueError: for features of another width.
        """
        rows = np.asarray(rows, np.float64)
        if rows.ndim != 2 or rows.shape[1] != self.width:
            checks.fail("rows", f"shape [n, {self.width}]", list(rows.shape))
        return self.classifier.predict_proba(rows)[:, 1]


class Degradation(NamedTuple):
    """What the second model adds for the attacker (Chen et al., section 4.3).

    Attributes:
        count: DegCount, the share of rows whose true status is held for likelier with it.
        rate: DegRate, the mean gain of the probability given to the true status.
    """

    count: float
    rate: float


def degradation(both, alone, deleted) -> Degradation:
    """Compare an attack that sees both models with one that sees the first (``before``).

    Args:
        both: scores of the attack on both models, shape ``[n]``.
        alone: scores of the other attack on the same rows.
        deleted: whether each was deleted, shape ``[n]``.

    Raises:
        ValueError: for different shapes, or scores that are no probabilities.
    """
    both, alone = (np.asarray(scores, np.float64) for scores in (both, alone))
    deleted = np.asarray(deleted)
    if both.ndim != 1 or both.shape != alone.shape or deleted.shape != both.shape or not len(both):
        checks.fail("alone", f"as many scores and marks as both, {both.shape}", alone.shape)
    for name, scores in (("both", both), ("alone", alone)):
        if not ((scores >= 0) & (scores <= 1)).all():
            checks.fail(name, "probabilities", f"{scores.min()} to {scores.max()}")
    gain = np.where(deleted.astype(bool), both - alone, alone - both)
    return Degradation(float((gain > 0).mean()), float(gain.mean()))
