"""Which rows are drawn, against the words of the released code, said again with other functions."""

import random

import numpy as np
import pytest
import torch

from unlearning.problem import draws


def released_rows(n, asked, seed):
    """Of `reduce_dataset_size`: reseed globally, permute, keep the first."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return torch.randperm(n)[:asked]


def table(n):
    return torch.arange(n).double()[:, None], torch.arange(n)


@pytest.mark.parametrize(("asked", "tested"), [(50, 20), (1, 1), (100, 90), (None, 90), (99, 39)])
def test_the_released_draw(asked, tested):
    (inputs, labels), (test_inputs, test_labels) = draws.draw((table(100), table(90)), 7, asked)
    assert torch.equal(labels, released_rows(100, asked, 7))
    assert torch.equal(test_labels, released_rows(90, tested, 7))
    assert torch.equal(inputs[:, 0].long(), labels)
    assert torch.equal(test_inputs[:, 0].long(), test_labels)


def test_a_small_test_part_caps_the_test_rows():
    assert len(draws.draw((table(100), table(5)), 0, 99)[1][1]) == 5


@pytest.mark.parametrize("seed", [42, 114514])
def test_a_table_is_cut_by_one_permutation_the_test_part_first_and_rounded_up(seed):
    permuted = np.random.RandomState(seed).permutation(178)
    train, test = draws.cut(178, 0.2, seed)
    assert test.tolist() == permuted[:36].tolist()
    assert train.tolist() == permuted[36:].tolist()


def test_a_seed_that_the_cut_cannot_take_is_refused():
    with pytest.raises(ValueError, match="seed: expected an integer from 0 to 4294967295"):
        draws.cut(10, 0.2, 2**32)


def test_the_forget_set_is_drawn_by_a_fresh_generator():
    random.seed(0)  # of no consequence
    assert draws.draw_forget_set(142, 7, 42) == random.Random(42).sample(range(142), 7)


def test_scaling_leaves_constant_columns_alone():
    mean, scale = draws.own_scaling(torch.tensor([[1.0, 3.0], [1.0, 5.0]]))
    assert mean.tolist() == [1, 4]
    assert scale.tolist() == [1, 1]
