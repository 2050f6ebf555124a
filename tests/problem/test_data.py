"""Loading, splitting and standardising."""

import random

import numpy as np
import pytest
import torch
from sklearn import datasets

import unlearning as ul

EMBEDDED = {
    "digits": (1797, (1, 8, 8), 10),
    "wine": (178, (13,), 3),
    "breast_cancer": (569, (30,), 2),
}


@pytest.mark.parametrize("name", EMBEDDED)
def test_embedded_sets(name):
    n, shape, classes = EMBEDDED[name]
    data = ul.load(name, seed=0)
    assert len(data.train) + len(data.test) == n
    assert data.train.inputs.shape[1:] == shape
    assert data.n_classes == classes
    assert data.train.inputs.dtype == torch.float32
    columns = data.train.inputs.flatten(1)
    constant = columns.std(0, unbiased=False) == 0
    torch.testing.assert_close(columns.mean(0), torch.zeros_like(columns[0]), atol=1e-5, rtol=0)
    assert torch.allclose(columns[:, ~constant].std(0, unbiased=False), torch.ones(1), atol=1e-4)
    assert bool((columns[:, constant] == 0).all())


def test_digits_have_constant_pixels():
    """Otherwise the test above would say nothing about constant columns."""
    pixels = ul.load("digits").train.inputs.flatten(1)
    assert bool((pixels == 0).all(0).any())


def test_train_and_test_are_disjoint_rows_of_the_original():
    raw = datasets.load_wine().data
    data = ul.load("wine", seed=5, dtype=torch.float64)
    assert len(data.test) == 36  # ceil(178 / 5), the papers' 142 / 36 split
    both = np.concatenate([data.train.inputs.numpy(), data.test.inputs.numpy()])
    back, expected = ((rows - rows.mean(0)) / rows.std(0) for rows in (both, raw))
    np.testing.assert_allclose(
        back[np.lexsort(back.T.round(9))], expected[np.lexsort(expected.T.round(9))], atol=1e-10
    )


def test_seed_decides_the_rows_and_n_train_keeps_the_first():
    a, b, c = (ul.load("wine", seed=s) for s in (0, 0, 1))
    assert torch.equal(a.train.inputs, b.train.inputs)
    assert not torch.equal(a.train.labels, c.train.labels)
    small = ul.load("wine", seed=0, n_train=50)
    assert torch.equal(small.train.labels, a.train.labels[:50])
    assert torch.equal(small.test.labels, a.test.labels)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"name": "mnits"},
            "name: expected one of digits, wine, breast_cancer, mnist, .* got 'mnits'",
        ),
        ({"name": "wine", "n_train": 143}, "n_train: expected an integer from 1 to 142 .*got 143"),
        ({"name": "wine", "n_train": 0}, "n_train: .*got 0"),
        ({"name": "wine", "n_train": 2.5}, "n_train: .*got 2.5"),
        ({"name": "wine", "seed": -1}, "seed: expected an integer from 0 to .*, got -1"),
        ({"name": "wine", "seed": 2**64}, "seed: .* to 18446744073709551615, got 184467.*616"),
        ({"name": "nowhere.npz"}, "nowhere.npz: dataset: expected an existing .npz file, got none"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        ul.load(**arguments)


def save(path, **arrays):
    np.savez(path, **arrays)
    return path


def test_own_file_with_and_without_a_test_part(tmp_path):
    inputs, labels = np.random.default_rng(0).normal(size=(20, 4)), np.arange(20) % 2
    alone = ul.load(save(tmp_path / "a.npz", inputs=inputs, labels=labels))
    assert (len(alone.train), len(alone.test)) == (16, 4)
    extra = {"test_inputs": inputs[:3], "test_labels": labels[:3]}
    both = ul.load(str(save(tmp_path / "b.npz", inputs=inputs, labels=labels, **extra)))
    assert (len(both.train), len(both.test)) == (20, 3)


def test_a_constant_column_is_only_centred_even_if_rounding_makes_it_vary(tmp_path):
    inputs = np.random.default_rng(0).normal(size=(50, 2))
    inputs[:, 1] = 0.1  # its computed deviation is not exactly zero
    path = save(tmp_path / "constant.npz", inputs=inputs, labels=np.arange(50) % 2)
    assert float(ul.load(path, dtype=torch.float64).train.inputs[:, 1].abs().max()) < 1e-15


def test_scaling_leads_back_to_the_features_as_they_were():
    data = ul.load("digits", dtype=torch.float64)
    mean, scale = data.scaling
    pixels = data.train.inputs * scale + mean
    torch.testing.assert_close(pixels, pixels.round(), rtol=0, atol=1e-12)
    assert (float(pixels.min()), float(pixels.max())) == pytest.approx((0, 16))


def test_the_largest_seed_is_one_of_pytorchs_generator():
    assert len(ul.load("wine", seed=2**64 - 1, n_train=2).train) == 2


def test_a_missing_network_names_the_folders(folder, monkeypatch):
    from torchvision.datasets import mnist

    def refuse(*args, **kwargs):
        raise OSError("no network")

    monkeypatch.setattr(mnist, "download_and_extract_archive", refuse)
    with pytest.raises(RuntimeError, match="MNIST: not found in .*data/MNIST/raw.*cache"):
        ul.load("mnist")


def test_forget_set_is_the_released_draw():
    expected = random.Random(42).sample(range(1000), 50)
    assert ul.draw_forget_set(1000, 50, seed=42) == expected
    with pytest.raises(ValueError, match="m: expected an integer from 1 to 9"):
        ul.draw_forget_set(10, 10, seed=0)
