"""Rules of selection against plain Python sorting."""

import re
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import unlearning as ul
from tests.baselines.points import CASES
from unlearning.saps.evidence import NUMBERS, dense_head, last_layer, tensor_sizes
from unlearning.saps.selection import FIXED, RULES, SCORES, allotted

CNN = ul.Objective(CASES[2].model)
D = CNN.dimension


def numbers(seed, d=D):
    """Numbers with ties and zeros."""
    generator = torch.Generator().manual_seed(seed)
    return (2 * torch.randn(d, generator=generator, dtype=torch.float64)).round() / 2


def evidence(objective=CNN, **more):
    d = objective.dimension
    given = {name: numbers(i, d) for i, name in enumerate(NUMBERS)}
    fishers = {"fisher": given["fisher"].square(), "forget_fisher": given["forget_fisher"].square()}
    return ul.Evidence(objective, **given | fishers | more)


def by_hand(rule, e, i):
    """The score of weight i, in Python's own numbers."""
    h, g = float(e.diagonal[i]), float(e.gradient[i])
    some, every = float(e.forget_fisher[i]), float(e.fisher[i])
    infinite = float("inf")
    gain = g * g / (h + e.damping) if h + e.damping > 0 else (infinite if g else 0.0)
    ratio = some / every if every else (infinite if some else 0.0)
    return {
        "largest_diagonal": h,
        "smallest_diagonal": -h,
        "largest_gradient": abs(g),
        "largest_gain": gain,
        "fisher_ratio": ratio,
        "saliency": abs(float(e.saliency[i])),
        "largest_magnitude": abs(float(e.weights[i])),
        "smallest_magnitude": -abs(float(e.weights[i])),
    }[rule]


@pytest.mark.parametrize("rule", SCORES)
@pytest.mark.parametrize("damping", [0.0, 0.25])
@pytest.mark.parametrize("k", [1, 7, D - 1, D])
def test_the_highest_scores_and_of_equal_ones_the_first(rule, damping, k):
    e = evidence(damping=damping)
    ranked = sorted(range(D), key=lambda i: (-by_hand(rule, e, i), i))
    found = ul.select(rule, e, k)
    assert found.nonzero()[:, 0].tolist() == sorted(ranked[:k])
    assert found.dtype == torch.bool


@pytest.mark.parametrize("rule", [*SCORES, "random"])
@given(data=st.data())
@settings(max_examples=8, deadline=None)
def test_excluded_weights_are_never_chosen_and_k_holds(rule, data):
    e, per_layer = evidence(), data.draw(st.booleans())
    exclude = torch.tensor(data.draw(st.lists(st.booleans(), min_size=D, max_size=D)))
    free = D - int(exclude.sum())
    k = data.draw(st.one_of(st.integers(1, free), st.floats(1e-3, 1.0)))
    found = ul.select(rule, e, k, per_layer=per_layer, seed=0, exclude=exclude)
    assert not bool((found & exclude).any())
    assert int(found.sum()) == (k if isinstance(k, int) else max(1, round(k * free)))


@pytest.mark.parametrize("rule", SCORES)
def test_per_layer_the_rule_holds_within_each(rule):
    e = evidence()
    found = ul.select(rule, e, 0.4, per_layer=True)
    start = 0
    for size in tensor_sizes(CNN):
        layer = range(start, start + size)
        ranked = sorted(layer, key=lambda i: (-by_hand(rule, e, i), i))
        chosen = found[start : start + size].nonzero()[:, 0] + start
        assert chosen.tolist() == sorted(ranked[: len(chosen)])
        assert abs(len(chosen) - 0.4 * size) < 1
        start += size
    assert start == D


@given(st.lists(st.integers(0, 50), min_size=1, max_size=6).filter(any), st.floats(0, 1))
@settings(max_examples=50, deadline=None)
def test_shares_add_up(sizes, part):
    count = round(part * sum(sizes))
    counts = allotted(count, sizes)
    assert sum(counts) == count
    exact = [count * size / sum(sizes) for size in sizes]
    assert all(abs(c - e) < 1 and c <= s for c, e, s in zip(counts, exact, sizes, strict=True))


def test_counts_and_shares():
    e = evidence()
    for k, count in ((1, 1), (1.0, D), (0.5, D // 2), (1e-9, 1), (0.001, 1), (0.1, 11)):
        assert int(ul.select("largest_diagonal", e, k).sum()) == count


def test_random_sets_come_from_their_seed():
    e = evidence()
    before = torch.get_rng_state()
    one, two = (ul.select("random", e, 20, seed=seed) for seed in (1, 2))
    assert torch.equal(one, ul.select("random", e, 20, seed=1))
    assert not torch.equal(one, two)
    assert torch.equal(torch.get_rng_state(), before)
    often = sum(ul.select("random", e, 0.25, seed=seed).double() for seed in range(400))
    assert float(often.min()) > 60  # 100 expected, with a deviation of 8.7
    assert float(often.max()) < 140


# --- sets that are fixed ----------------------------------------------------------------------


def names_of(objective, mask):
    parts = objective.unflatten(mask)
    assert all(bool(part.all()) or not bool(part.any()) for part in parts.values())
    return [name for name, part in parts.items() if bool(part.any())]


class Branched(nn.Module):
    """A dense layer between convolutions, and parameters that are frozen in part."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv1d(1, 1, 1)
        self.lift = nn.Linear(4, 8)
        self.conv = nn.Conv1d(1, 2, 3)
        self.norm = nn.BatchNorm1d(2)
        self.inner, self.head = nn.Linear(12, 5), nn.Linear(5, 3)
        self.lift.weight.requires_grad_(False)
        self.inner.bias.requires_grad_(False)

    def forward(self, x):
        hidden = self.norm(self.conv(self.lift(self.stem(x[:, None])))).flatten(1)
        return self.head(self.inner(hidden))


def test_layers_by_their_names():
    assert names_of(CNN, last_layer(CNN)) == ["9.weight", "9.bias"]
    assert names_of(CNN, dense_head(CNN)) == ["7.weight", "7.bias", "9.weight", "9.bias"]
    branched = ul.Objective(Branched())
    assert names_of(branched, last_layer(branched)) == ["head.weight", "head.bias"]
    expected = ["inner.weight", "head.weight", "head.bias"]
    assert names_of(branched, dense_head(branched)) == expected
    dense = ul.Objective(CASES[1].model)
    assert bool(dense_head(dense).all())
    assert names_of(dense, last_layer(dense)) == ["3.weight", "3.bias"]


def test_fixed_sets():
    e = evidence()
    assert torch.equal(ul.select("last_layer", e), last_layer(CNN))
    assert torch.equal(ul.select("dense_head", e), dense_head(CNN))
    assert bool(ul.select("all", e).all())
    exclude = last_layer(CNN)
    exclude[-1] = False
    assert ul.select("last_layer", e, exclude=exclude).nonzero().tolist() == [[D - 1]]
    for rule in FIXED:
        with pytest.raises(ValueError, match=f"k: expected None for the rule '{rule}', whose set"):
            ul.select(rule, e, 0.5)
    with pytest.raises(ValueError, match="exclude: expected a mask that leaves something of 'last"):
        ul.select("last_layer", e, exclude=last_layer(CNN))


def test_a_model_without_a_dense_head():
    model = nn.Sequential(
        nn.Linear(4, 4), nn.Unflatten(1, (1, 4)), nn.Conv1d(1, 3, 4), nn.Flatten()
    )
    with pytest.raises(
        ValueError, match="rule: expected one that fits a model without a dense hea"
    ):
        ul.select("dense_head", ul.Evidence(ul.Objective(model)))


# --- evidence ---------------------------------------------------------------------------------


def test_dead_weights():
    diagonal, gradient = torch.tensor([0.0, 1.0, 0.0, -1.0]), torch.tensor([0.0, 0.0, 2.0, 0.0])
    assert ul.alive(diagonal, gradient).tolist() == [False, True, True, True]
    with pytest.raises(
        ValueError, match=r"diagonal: expected the shape \[d\] of the gradient, got"
    ):
        ul.alive(diagonal, gradient[:3])


def test_a_pixel_that_is_always_zero_is_dead_and_never_moves():
    inputs = CASES[0].data.train.inputs.clone()
    inputs[:, 0, 1, 1] = 0.0
    samples = ul.Samples(inputs, CASES[0].data.train.labels)
    objective = ul.Objective(CASES[0].model)
    least = ul.minimise(ul.Objective(CASES[0].model, l2=0.5), samples)
    new = ul.Samples(inputs[:3] / 2, samples.labels[:3])
    change = ul.Change(least, range(3), new)
    diagonal = torch.func.hessian(objective.mean_loss)(least.weights, *vars(samples).values())
    living = ul.alive(diagonal.diagonal(), change.gradient)
    assert (~living).nonzero()[:, 0].tolist() == [5, 21, 37]
    e = ul.Evidence(objective, diagonal=diagonal.diagonal())
    assert bool(ul.select("smallest_diagonal", e, 3)[~living].all())
    assert not bool(ul.select("smallest_diagonal", e, 48, exclude=~living)[~living].any())
    moved = change.correct(order=2).weights
    assert torch.equal(moved[~living], least.weights[~living])


def test_saliency_is_the_size_of_the_gradient_without_penalty():
    at, samples = ul.Objective(CASES[2].model, l2=0.7), CASES[2].data.train[[1, 4]]
    w = at.initial_weights
    expected = torch.func.grad(at.mean_loss)(w, samples.inputs, samples.labels).abs()
    torch.testing.assert_close(ul.saliency(at, w, samples), expected, rtol=0, atol=1e-13)


def test_rules_ask_for_what_they_need_and_no_more():
    nothing = ul.Evidence(CNN)
    needs = {
        "largest_diagonal": ["diagonal"], "smallest_diagonal": ["diagonal"],
        "largest_gradient": ["gradient"], "largest_gain": ["gradient", "diagonal"],
        "fisher_ratio": ["forget_fisher", "fisher"], "saliency": ["saliency"],
        "largest_magnitude": ["weights"], "smallest_magnitude": ["weights"],
    }  # fmt: skip
    assert {*needs, "random", *FIXED} == set(RULES)
    for rule, names in needs.items():
        some = nothing
        for name in names:
            with pytest.raises(ValueError, match=rf"evidence: expected {name} \[d\], which this"):
                ul.select(rule, some, 5)
            some = replace(some, **{name: numbers(1)})
        assert int(ul.select(rule, some, 5).sum()) == 5


def test_numbers_on_another_device_or_of_another_kind():
    e = evidence(diagonal=numbers(7).float())
    assert torch.equal(
        ul.select("largest_diagonal", e, 9),
        ul.select("largest_diagonal", evidence(diagonal=numbers(7)), 9),
    )


BAD = {
    "rule: expected one of largest_diagonal, smallest_diagonal": {"rule": "largest"},
    "evidence: expected an Evidence, got Tensor": {"evidence": numbers(1)},
    f"k: expected an integer from 1 to {D} (weights to choose from), got 0": {"k": 0},
    f"k: expected an integer from 1 to {D} (weights to choose from), got {D + 1}": {"k": D + 1},
    f"k: expected an integer from 1 to {D} (weights to choose from), got True": {"k": True},
    "k: expected an integer from 1 to 5 (weights to choose from), got 6": {
        "k": 6, "exclude": torch.arange(D) >= 5,
    },
    "k: expected a finite number above 0, got 0.0": {"k": 0.0},
    "k: expected a finite number above 0, got nan": {"k": float("nan")},
    "k: expected an integer, or a share of at most 1.0, got 1.5": {"k": 1.5},
    "k: expected a count or a share for this rule, got None": {"k": None},
    f"seed: expected an integer from 0 to {2**63 - 1}, got -1": {"rule": "random", "seed": -1},
    f"seed: expected an integer from 0 to {2**63 - 1}, got None": {"rule": "random"},
    "per_layer: expected True or False, got 1": {"per_layer": 1},
    f"exclude: expected a bool mask [{D}], got torch.int64 of shape [2]": {"exclude": [0, 1]},
    "exclude: expected a mask that leaves weights to choose from, got one of all": {
        "exclude": torch.ones(D, dtype=torch.bool)
    },
}  # fmt: skip


@pytest.mark.parametrize("message", BAD)
def test_bad_requests(message):
    request = {"rule": "largest_diagonal", "evidence": evidence(), "k": 5} | BAD[message]
    with pytest.raises(ValueError, match=re.escape(message)):
        ul.select(**request)


BAD_EVIDENCE = {
    "objective: expected an unlearning.Objective, got Sequential": {"objective": CASES[2].model},
    "damping: expected a finite number of at least 0, got -1": {"damping": -1},
    f"diagonal: expected a tensor of shape [{D}], got [3]": {"diagonal": torch.zeros(3)},
    f"gradient: expected a tensor of shape [{D}], got list": {"gradient": [0.0] * D},
    "saliency: expected finite numbers, got NaN or infinity": {
        "saliency": torch.full((D,), torch.nan)
    },
}


@pytest.mark.parametrize("message", BAD_EVIDENCE)
def test_bad_evidence(message):
    with pytest.raises(ValueError, match=re.escape(message)):
        ul.Evidence(**{"objective": CNN} | BAD_EVIDENCE[message])
