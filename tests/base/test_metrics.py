"""Metrics against NumPy and closed forms."""

import math

import numpy as np
import pytest
import torch

import unlearning as ul


def test_distance_is_euclidean_and_computed_in_double():
    a, b = torch.randn(50), torch.randn(50)
    assert ul.distance(a, b) == pytest.approx(
        np.linalg.norm(a.double().numpy() - b.double().numpy())
    )
    big = torch.tensor([1e20, 0.0])
    assert ul.distance(big, -big) == pytest.approx(2e20)  # its square overflows float32


def test_distance_refuses_other_shapes():
    with pytest.raises(ValueError, match=r"b: expected the shape of a, \[2\], got \[3\]"):
        ul.distance(torch.zeros(2), torch.zeros(3))


def test_correlations():
    x = torch.tensor([1.0, 2.0, 3.0, 4.0])
    y = torch.tensor([1.0, 4.0, 9.0, 16.0])
    assert ul.pearson(x, y) == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert ul.spearman(x, y) == pytest.approx(1.0)
    assert ul.spearman(x, -y) == pytest.approx(-1.0)
    assert math.isnan(ul.pearson(x, torch.ones(4)))
    with pytest.raises(ValueError, match="y: expected a vector like x"):
        ul.pearson(x, y[:3])


def test_interval_matches_the_textbook():
    found = ul.interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert found.mean == 3.0
    assert found.high - found.mean == pytest.approx(2.776445 * math.sqrt(2.5 / 5), abs=1e-5)
    assert found.mean - found.low == pytest.approx(found.high - found.mean)


def test_one_value_has_no_finite_interval():
    assert ul.interval([1.0])[1:] == (-math.inf, math.inf, 1)


@pytest.mark.parametrize("bad", [[], [1.0, math.nan]])
def test_interval_refuses(bad):
    with pytest.raises(ValueError, match="values: expected"):
        ul.interval(bad)
