"""LiRA on Gaussians whose ROC is known in closed form."""

import numpy as np
import pytest
import torch
from scipy import stats

from unlearning.attacks import roc
from unlearning.attacks.lira import log_ratio, reference, standing_out
from unlearning.attacks.shadows import halves

GAP, ROWS = 1.5, 4000


def toy(shadows, seed=0, spread=1.0):
    """Margins of each row: an offset of its own, and GAP more if it was learned."""
    generator = torch.Generator().manual_seed(seed)
    offset = 20 * torch.randn(ROWS, generator=generator, dtype=torch.float64)
    learned = halves(shadows + 2, ROWS, seed=seed)  # the last pair is under attack
    noise = torch.randn(shadows + 2, ROWS, generator=generator, dtype=torch.float64)
    margins = offset + GAP * learned + spread * noise
    found = {kind: reference(margins[:-2], learned[:-2], variance=kind)
             for kind in ("each", "pooled", "common")}  # fmt: skip
    return found, margins[-1], learned[-1], offset


@pytest.mark.parametrize("attack", [log_ratio, standing_out])
def test_it_reaches_the_roc_of_the_best_test(attack):
    """With both means known it is TPR = Phi(Phi^-1(FPR) + gap / sigma); a band of 99.9% around."""
    found, margins, learned, _ = toy(2000)
    scores = attack(found["common"], margins)
    alarms, hits = roc.curve(scores[learned], scores[~learned])
    reach = (np.log(4 / 0.001) / ROWS) ** 0.5  # Dvoretzky, Kiefer, Wolfowitz; half of ROWS a side

    def best(rate):
        return stats.norm.cdf(stats.norm.ppf(np.clip(rate, 0, 1)) + GAP)

    assert (hits <= best(alarms + reach) + reach).all()
    assert (hits >= best(alarms - reach) - reach).all()
    area = roc.auc(scores[learned], scores[~learned], confidence=0.999)
    assert area.low < stats.norm.cdf(GAP / 2**0.5) < area.high


def test_few_shadows_cost_what_they_must():
    """The two means of a row are guessed from 8 shadows each: the statistic is the product of two
    Gaussians, whose AUC is simulated here from the law alone."""
    found, margins, learned, _ = toy(16, seed=1)
    scores = log_ratio(found["common"], margins)
    draw, many = np.random.default_rng(0), 10**6
    means = draw.normal([[GAP], [0]], 8**-0.5, (2, many))
    law = [
        (means[0] - means[1]) * (draw.normal(centre, 1, many) - means.mean(0))
        for centre in (GAP, 0.0)
    ]
    area = roc.auc(scores[learned], scores[~learned], confidence=0.999)
    assert area.low < roc.auc(*law).value < area.high


def test_pooling_helps_when_shadows_are_few():
    found, margins, learned, _ = toy(8, seed=2)
    areas = {
        kind: roc.auc(*(log_ratio(found[kind], margins)[side] for side in (learned, ~learned)))
        for kind in found
    }
    assert min(areas["pooled"].low, areas["common"].low) > areas["each"].high


def test_only_a_common_variance_keeps_the_order_of_margins():
    """Members vary less here, so a margin beyond both means is likelier among the others."""
    generator = torch.Generator().manual_seed(5)
    learned = halves(64, 50)
    noise = torch.randn(64, 50, generator=generator, dtype=torch.float64)
    margins = learned + noise * (1.0 - 0.5 * learned.double())
    far, near = torch.full((50,), 40.0), torch.ones(50)
    for kind, monotone in (("common", True), ("pooled", False)):
        found = reference(margins, learned, variance=kind)
        above = log_ratio(found, far) > log_ratio(found, near)
        assert bool(above.all()) is monotone


def test_a_global_threshold_hardly_sees_what_rows_hide():
    _, margins, learned, _ = toy(64)
    assert roc.auc(margins[learned], margins[~learned]).value < 0.56


def test_a_target_that_learned_nothing_more_gives_a_half():
    """Non-members against others of their kind: the attack finds no difference."""
    found, _, _, offset = toy(64, seed=3)
    noise = torch.randn(ROWS, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    scores = log_ratio(found["common"], offset + noise)
    area = roc.auc(scores[: ROWS // 2], scores[ROWS // 2 :], confidence=0.999)
    assert area.low < 0.5 < area.high


def test_the_gaussians_are_those_of_each_side():
    generator = torch.Generator().manual_seed(4)
    margins, learned = torch.randn(10, 6, generator=generator), halves(10, 6)
    found = reference(margins, learned, variance="each")
    for row in (1, 4):
        mine, rest = margins[learned[:, row], row].double(), margins[~learned[:, row], row].double()
        assert found.mean_in[row] == pytest.approx(float(mine.mean()))
        assert found.spread_in[row] == pytest.approx(float(mine.std()))
        assert found.mean_out[row] == pytest.approx(float(rest.mean()))
        assert found.spread_out[row] == pytest.approx(float(rest.std()))


@pytest.mark.parametrize(
    ("margins", "learned", "named"),
    [
        (torch.zeros(4, 6), halves(4, 6), "spread"),
        (torch.full((4, 6), torch.nan), halves(4, 6), "margins"),
        (torch.randn(4, 6), halves(4, 8), "learned"),
        (torch.randn(4, 6), ~halves(4, 6) & False, "learned"),
        (torch.randn(2, 6), halves(2, 6), "two or more shadows"),
    ],
)
def test_bad_input_is_named(margins, learned, named):
    with pytest.raises(ValueError, match=named):
        reference(margins, learned)


def test_margins_of_other_rows_are_refused():
    found = reference(torch.randn(8, 6), halves(8, 6))
    with pytest.raises(ValueError, match="margins"):
        log_ratio(found, torch.zeros(5))
