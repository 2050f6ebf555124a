"""Which weights a correction may touch: one signature for all rules.

Each rule gives every weight a score, and the weights with the highest scores are taken; of equal
scores, the weight that comes first. Three rules fix the set by themselves.
"""

from collections.abc import Callable
from numbers import Integral

import torch

from unlearning.base import checks
from unlearning.saps.evidence import Evidence, dense_head, last_layer, tensor_sizes
from unlearning.saps.places import mask


def select(
    rule: str,
    evidence: Evidence,
    k: int | float | None = None,
    *,
    per_layer: bool = False,
    seed: int | None = None,
    exclude: torch.Tensor | None = None,
) -> torch.Tensor:
    """Choose weights by a rule.

    Args:
        rule: ``largest_diagonal`` (H_ii; SAPS as its abstract has it), ``smallest_diagonal``,
            ``largest_gradient`` (``|G_i|``), ``largest_gain`` (``G_i^2 / (H_ii + damping)``, twice
            what a Newton step of that weight alone gains; without bound, so first, where the
            denominator is not above 0 and G_i is not 0), ``fisher_ratio`` (forget over all; SSD,
            Foster et al. 2024), ``saliency`` (SalUn), ``largest_magnitude``,
            ``smallest_magnitude``, ``random``; and ``last_layer``, ``dense_head``, ``all``.
        evidence: has the numbers that the rule goes by.
        k: how many weights: a count (an integer), or a share above 0 and at most 1 of those that
            are not excluded (a float: ``max(1, round(share * number))``). None for the last three
            rules, whose sets are fixed.
        per_layer: spread the k over the named parameters in proportion to what each has to choose
            from (largest remainders, so that they still add up to k), and choose within each.
        seed: of ``random``, which needs one.
        exclude: bool mask ``[d]`` of weights that no rule may choose, such as ``~alive(...)``.

    Returns:
        S as a bool mask ``[d]``, on the CPU; ``mask.sum()`` is k.

    Raises:
        ValueError: for an unknown rule, evidence that is missing, a k out of its range, or if
            nothing is left to choose from.
    """
    checks.choice("rule", rule, RULES)
    checks.instance("evidence", evidence, Evidence, "an Evidence")
    checks.boolean("per_layer", per_layer)
    d = evidence.objective.dimension
    free = torch.ones(d, dtype=torch.bool) if exclude is None else ~mask("exclude", exclude, d)
    if rule in FIXED:
        return _fixed(rule, evidence, k, free)
    count = _count(k, int(free.sum()))
    scores = _random(seed, d) if rule == "random" else SCORES[rule](evidence)
    sizes = tensor_sizes(evidence.objective) if per_layer else [d]
    pools = [part.nonzero()[:, 0] for part in free.split(sizes)]
    counts = allotted(count, [len(pool) for pool in pools])
    chosen = [
        _highest(part, pool, number)
        for part, pool, number in zip(scores.split(sizes), pools, counts, strict=True)
    ]
    return torch.cat(chosen)


def _gain(evidence: Evidence) -> torch.Tensor:
    squared = evidence.need("gradient").square()
    below = evidence.need("diagonal") + evidence.damping
    unbounded = torch.where(squared > 0, torch.inf, 0.0)
    return torch.where(below > 0, squared / below, unbounded)


def _fisher_ratio(evidence: Evidence) -> torch.Tensor:
    some = evidence.need("forget_fisher")
    every = evidence.need("fisher")
    return torch.where(some > 0, some / every, 0.0)


SCORES: dict[str, Callable[[Evidence], torch.Tensor]] = {
    "largest_diagonal": lambda e: e.need("diagonal"),
    "smallest_diagonal": lambda e: -e.need("diagonal"),
    "largest_gradient": lambda e: e.need("gradient").abs(),
    "largest_gain": _gain,
    "fisher_ratio": _fisher_ratio,
    "saliency": lambda e: e.need("saliency").abs(),
    "largest_magnitude": lambda e: e.need("weights").abs(),
    "smallest_magnitude": lambda e: -e.need("weights").abs(),
}
FIXED: dict[str, Callable[[Evidence], torch.Tensor]] = {
    "last_layer": lambda e: last_layer(e.objective),
    "dense_head": lambda e: dense_head(e.objective),
    "all": lambda e: torch.ones(e.objective.dimension, dtype=torch.bool),
}
RULES = (*SCORES, "random", *FIXED)


def allotted(count: int, sizes: list[int]) -> list[int]:
    """``count`` spread over parts in proportion to their sizes, by the largest remainders.

    Whole shares first; what is left goes to the largest remainders, the first part first. No part
    gets more than its size.
    """
    total = sum(sizes)
    counts = [count * size // total for size in sizes]
    by_remainder = sorted(range(len(sizes)), key=lambda i: -(count * sizes[i] % total))
    for i in by_remainder[: count - sum(counts)]:
        counts[i] += 1
    return counts


def _count(k, free: int) -> int:
    if free == 0:
        checks.fail("exclude", "a mask that leaves weights to choose from", "one of all of them")
    if k is None:
        checks.fail("k", "a count or a share for this rule", "None")
    if isinstance(k, Integral):
        return checks.integer("k", k, least=1, most=free, note=" (weights to choose from)")
    share = checks.finite("k", k, above=0.0)
    if share > 1:
        checks.fail("k", "an integer, or a share of at most 1.0", repr(k))
    return max(1, round(share * free))


def _fixed(rule: str, evidence: Evidence, k, free: torch.Tensor) -> torch.Tensor:
    if k is not None:
        checks.fail("k", f"None for the rule {rule!r}, whose set is fixed", repr(k))
    chosen = FIXED[rule](evidence) & free
    if not bool(chosen.any()):
        checks.fail("exclude", f"a mask that leaves something of {rule!r}", "one of all of it")
    return chosen


def _random(seed: int | None, d: int) -> torch.Tensor:
    seed = checks.integer("seed", seed, least=0, most=2**63 - 1)
    return torch.randperm(d, generator=torch.Generator().manual_seed(seed)).double()


def _highest(scores: torch.Tensor, pool: torch.Tensor, count: int) -> torch.Tensor:
    """Mask of the ``count`` highest scores within the pool, the first of equal ones first."""
    order = scores[pool].sort(descending=True, stable=True).indices
    chosen = torch.zeros(len(scores), dtype=torch.bool)
    chosen[pool[order[:count]]] = True
    return chosen
