"""Noise: normal, fresh each time, on the grid, and of the system's entropy alone."""

import os

import numpy as np
import pytest
from scipy import stats

from unlearning.service.noise import gaussian
from unlearning.service.sums import GRID


def test_it_is_normal_with_the_standard_deviation_asked_for():
    values = gaussian(40_000, 0.3)
    # At this level a right generator fails once in a million runs.
    assert stats.kstest(values / 0.3, "norm").pvalue > 1e-6
    assert stats.kstest(values[::2] / 0.3, "norm").pvalue > 1e-6
    halves = np.corrcoef(values[:20_000] ** 2, values[20_000:] ** 2)[0, 1]
    assert abs(halves) < 5 / np.sqrt(20_000)  # cosine and sine of one pair are independent


def test_a_wrong_standard_deviation_would_be_seen():
    assert stats.kstest(gaussian(40_000, 0.3) / 0.33, "norm").pvalue < 1e-6


@pytest.mark.parametrize("count", [1, 2, 7])
def test_it_lies_on_the_grid_of_the_weights(count):
    values = gaussian(count, 1.7)
    assert values.shape == (count,)
    assert (values / GRID == np.round(values / GRID)).all()
    assert not np.isin(values, gaussian(count, 1.7)).any()


def test_each_pair_takes_sixteen_bytes_of_the_systems_entropy(monkeypatch):
    taken = []

    def entropy(size, original=os.urandom):
        taken.append(size)
        return original(size)

    monkeypatch.setattr(os, "urandom", entropy)
    gaussian(1001, 1.0)
    assert taken == [16 * 501]


def test_the_ends_of_the_uniform_variates_give_finite_noise(monkeypatch):
    for byte in (b"\x00", b"\xff"):
        monkeypatch.setattr(os, "urandom", lambda size, byte=byte: byte * size)
        assert np.isfinite(gaussian(4, 1.0)).all()
