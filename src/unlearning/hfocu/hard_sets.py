"""Forget sets that are picked to do damage: the worst that a few rules find, and no more.

The worst of all sets of a size cannot be searched for. What is found here is a lower bound on the
damage of that one.
"""

import torch

from unlearning.base import checks
from unlearning.problem.data import draw_forget_set
from unlearning.training.trajectory import Run


def hard_sets(
    run: Run,
    vectors: torch.Tensor,
    deletions: int,
    *,
    best: torch.Tensor,
    seed: int = 0,
    starts: int = 4,
) -> dict[str, list[int]]:
    """One set by each rule, and a random one to compare with.

    ``longest gradients`` at the learned weights, ``one cluster`` (the approximators nearest to the
    longest), and ``lined up`` (see ``lined_up``).

    Args:
        run: the learned run.
        vectors: approximators of all its samples, shape ``[n, d]``.
        deletions: size of the sets.
        best: weights to lead away from, shape ``[d]``: the population's minimiser, if it is known.
        seed: of the random set, and of the random starts.
        starts: of the search for sets that line up.

    Raises:
        ValueError: for vectors of another shape, or a size out of its range.
    """
    n = len(run.samples)
    if vectors.shape != (n, run.objective.dimension):
        expected = f"shape [{n}, {run.objective.dimension}]"
        checks.fail("vectors", expected, list(vectors.shape))
    checks.integer("deletions", deletions, least=1, most=n - 1)
    samples, objective, w = run.samples, run.objective, run.weights
    gradients = objective.sample_gradients(w, samples.inputs, samples.labels) + objective.l2 * w
    near = -(vectors - vectors[vectors.norm(dim=1).argmax()]).norm(dim=1)
    return {
        "random": draw_forget_set(n, deletions, seed),
        "longest gradients": _top(gradients.norm(dim=1), deletions),
        "one cluster": _top(near, deletions),
        "lined up": lined_up(vectors, deletions, away=w - best, seed=seed, starts=starts),
    }


def lined_up(
    vectors: torch.Tensor, deletions: int, *, away: torch.Tensor, seed: int = 0, starts: int = 4
) -> list[int]:
    """A set U for which ``|away + sum over U of the vectors|`` is large.

    From a direction, take the vectors that go farthest along it; their sum, with ``away``, gives
    the next direction. The length never falls on the way, as a convex function lies above its
    tangents, so this ends: at a set that no such step improves, the best of several starts.

    Args:
        vectors: shape ``[n, d]``.
        deletions: size of the set.
        away: where the sum starts, shape ``[d]``.
        seed: of the random starts.
        starts: how many there are, besides both ways along ``away``.

    Raises:
        ValueError: for a size out of its range.
    """
    checks.integer("deletions", deletions, least=1, most=len(vectors))
    generator = torch.Generator().manual_seed(checks.integer("seed", seed, least=0))
    random = torch.randn(starts, len(away), generator=generator, dtype=torch.float64)
    found = [_climb(vectors, deletions, away, way.to(vectors)) for way in [away, -away, *random]]
    return max(found, key=lambda rows: float((away + vectors[rows].sum(0)).norm()))


def _climb(vectors, deletions: int, away, direction) -> list[int]:
    length = -1.0
    while True:
        rows = _top(vectors @ direction, deletions)
        end = away + vectors[rows].sum(0)
        if float(end.norm()) <= length * (1 + 1e-12):
            return rows
        length, direction = float(end.norm()), end


def _top(values: torch.Tensor, count: int) -> list[int]:
    return values.topk(count).indices.tolist()
