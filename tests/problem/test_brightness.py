"""Pixels of one scale: black stays black, and nothing but the scale changes."""

import pytest
import torch

import unlearning as ul
from unlearning.problem import brightness


@pytest.fixture(scope="module")
def digits():
    return ul.load("digits", seed=3, n_train=200)


@pytest.fixture(scope="module")
def images():
    """The 1,797 digits as scikit-learn ships them, one string of bytes each."""
    from sklearn.datasets import load_digits

    return {bytes(map(int, row)) for row in load_digits().data}


@pytest.mark.parametrize("part", ["train", "test"])
def test_stored_pixels_are_those_of_the_file(digits, images, part):
    stored = brightness.as_stored(digits)
    pixels = getattr(stored, part).inputs
    assert torch.allclose(pixels, pixels.round(), atol=1e-4)
    assert {bytes(map(int, row.flatten().round().tolist())) for row in pixels} <= images
    assert stored.scaling is None


def test_black_is_exactly_zero(digits):
    stored = brightness.as_stored(digits).train.inputs
    corner = stored[:, 0, 0, 0]
    assert bool((corner == 0).all())
    assert float(stored[stored > 0].min()) > 1e-3


def test_from_black_to_one_ends_at_both(digits):
    pixels = ul.from_black_to_one(digits).train.inputs
    assert (float(pixels.min()), float(pixels.max())) == (0.0, 1.0)


def test_one_scale_has_mean_zero_and_deviation_one_over_all_pixels(digits):
    data, black = ul.with_one_scale(digits)
    pixels = data.train.inputs.double()
    assert float(pixels.mean()) == pytest.approx(0, abs=1e-6)
    assert float(pixels.std()) == pytest.approx(1, rel=1e-6)
    assert float(pixels[:, 0, 0, 0].max()) == pytest.approx(black)


@pytest.mark.parametrize("change", [ul.from_black_to_one, lambda data: ul.with_one_scale(data)[0]])
def test_labels_rows_and_order_of_brightness_stay(digits, change):
    data = change(digits)
    stored = brightness.as_stored(digits)
    for part in ("train", "test"):
        ours, theirs = getattr(data, part), getattr(stored, part)
        assert torch.equal(ours.labels, theirs.labels)
        both = torch.stack([ours.inputs.flatten(), theirs.inputs.flatten()]).double()
        assert float(torch.corrcoef(both)[0, 1]) == pytest.approx(1, abs=1e-9)


def test_data_that_does_not_say_how_it_was_standardised_is_refused(digits):
    bare = ul.Data("bare", digits.train, digits.test)
    with pytest.raises(ValueError, match="data: expected standardised images"):
        ul.from_black_to_one(bare)
