"""KLOM against NumPy's histograms and SciPy's divergence."""

import numpy as np
import pytest
import torch
from scipy import stats

from unlearning.attacks.klom import klom


def two_sides(shift=0.7):
    generator = torch.Generator().manual_seed(0)
    return (torch.randn(100, 5, generator=generator) + shift,
            torch.randn(80, 5, generator=generator))  # fmt: skip


@pytest.mark.parametrize("swapped", [False, True])
def test_it_is_the_divergence_of_the_histograms(swapped):
    sides = two_sides()
    for row, found in enumerate(klom(*sides, swapped=swapped)):
        one, other = (side[:, row].double().numpy() for side in sides)
        reach = min(one.min(), other.min()), max(one.max(), other.max())
        shares = [np.histogram(side, 20, reach)[0] / len(side) for side in (one, other)]
        p, q = (np.maximum(share, 1e-5) for share in shares)
        expected = stats.entropy(q, p) if swapped else stats.entropy(p, q)
        assert float(found) == pytest.approx(expected, rel=1e-9)


def test_equal_margins_give_nothing_and_farther_ones_more():
    same, other = two_sides()
    assert klom(same, same).abs().max() == 0
    assert (klom(same + 3, other) > klom(same, other)).all()


def test_margins_that_are_all_alike():
    assert klom(torch.ones(4, 2), torch.ones(6, 2)).tolist() == [0, 0]
    assert (klom(torch.ones(4, 2), torch.zeros(6, 2)) > 10).all()


def test_far_margins_are_counted_at_the_limit():
    side = two_sides()[0]
    assert klom(side + 1000, side + 5000).max() == 0


@pytest.mark.parametrize(
    ("sides", "bins", "named"),
    [
        ((torch.zeros(3, 2), torch.zeros(3, 4)), 20, "retrained"),
        ((torch.zeros(0, 2), torch.zeros(3, 2)), 20, "unlearned"),
        ((torch.full((3, 2), torch.nan), torch.zeros(3, 2)), 20, "unlearned"),
        ((torch.zeros(3, 2), torch.zeros(3, 2)), 1, "bins"),
    ],
)
def test_bad_input_is_named(sides, bins, named):
    with pytest.raises(ValueError, match=named):
        klom(*sides, bins=bins)
