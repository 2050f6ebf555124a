"""Sizes of the published settings, and the bare operations that are timed in them."""

import torch

from benchmarks.storage import PUBLISHED
from unlearning.companion import bare
from unlearning.companion.published import SETTINGS


def test_settings_have_the_weights_that_are_known():
    known = {"Wine": 1546, "Obesity": 1930, "Adult": 6346, "HAPT": 36618,
             "MNIST, logistic": 7850, "MNIST, CNN": 21840, "Fashion, CNN": 21840,
             "Fashion, LeNet": 61706, "CIFAR-10, ResNet": 11181642}  # fmt: skip
    for name, d in known.items():
        assert SETTINGS[name].d == d
    # n and T are counted from the scripts a second time for the benchmarks.
    mine = {(at.n, at.d, at.T) for name, at in SETTINGS.items() if name in known}
    assert set(PUBLISHED.values()) <= mine


def test_additions_are_additions(tmp_path):
    way = bare.addition(1000)
    w, a = 1e-3 * torch.randn(2, 1000, generator=torch.Generator().manual_seed(0))
    assert way.count == 30000
    torch.testing.assert_close(way.work()[-1], w + 30000 * a, rtol=1e-3, atol=1e-3)
    read = bare.addition_from_file(1000, tmp_path / "vector")
    read.work()
    torch.testing.assert_close(read.work(), torch.full((1000,), 2.0))


def test_solutions_solve():
    once, again = bare.factor_and_solve(40).work(), bare.solve(40).work()
    torch.testing.assert_close(once, again)
    matrix, b = bare._system(40)
    torch.testing.assert_close(matrix @ once, b)
