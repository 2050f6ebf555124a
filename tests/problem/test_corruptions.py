"""What is made wrong, that nothing else is, and that it can be put right."""

import pytest
import torch

import unlearning as ul
from unlearning.problem import corruptions

DATA = ul.load("digits", seed=0, n_train=300).train
IMAGES = ul.Samples(torch.rand(30, 2, 6, 6), torch.arange(30) % 5)


def same(one, other):
    return torch.equal(one.inputs, other.inputs) and torch.equal(one.labels, other.labels)


def others(n, rows):
    return sorted(set(range(n)) - set(rows))


def test_labels_are_reversed_in_equal_parts_and_nothing_else_changes():
    made = corruptions.reversed_labels(DATA, 40, seed=3)
    before, after = DATA.labels[made.rows], made.train.labels[made.rows]
    assert torch.equal(after, 9 - before)
    assert torch.bincount(before).tolist() == [4] * 10
    assert torch.equal(made.train.inputs, DATA.inputs)
    rest = others(len(DATA), made.rows)
    assert torch.equal(made.train.labels[rest], DATA.labels[rest])
    assert same(made.repaired, DATA)
    assert same(made.corrected, DATA[made.rows])


def test_the_draw_belongs_to_the_seed():
    drawn = [corruptions.reversed_labels(DATA, 40, seed=s).rows for s in (3, 3, 4)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0] == sorted(set(drawn[0]))


def test_the_class_in_the_middle_stays():
    made = corruptions.reversed_labels(IMAGES, 8, seed=0)
    assert 2 not in IMAGES.labels[made.rows]
    assert torch.bincount(IMAGES.labels[made.rows], minlength=5).tolist() == [2, 2, 0, 2, 2]


def test_a_patch_is_planted_in_samples_of_other_classes():
    made = corruptions.planted_patch(IMAGES, 7, target=1, seed=0, side=2)
    assert len(made.rows) == 7
    assert 1 not in IMAGES.labels[made.rows]
    assert made.train.labels[made.rows].tolist() == [1] * 7
    patch = made.train.inputs[made.rows][:, :, -2:, -2:]
    assert torch.equal(patch, IMAGES.inputs.amax((0, 2, 3))[None, :, None, None].expand_as(patch))
    outside = torch.ones(6, 6, dtype=torch.bool)
    outside[-2:, -2:] = False
    assert torch.equal(made.train.inputs[..., outside], IMAGES.inputs[..., outside])
    rest = others(30, made.rows)
    assert same(made.train[rest], IMAGES[rest])
    assert same(made.repaired, IMAGES)


def test_features_are_erased_where_there_is_something():
    inputs = torch.rand(6, 1, 2, 2) + 0.5
    inputs[2, 0, 1, 1] = 0.0
    samples = ul.Samples(inputs, torch.arange(6))
    made = corruptions.erased_features(samples, [3])
    assert made.rows == [0, 1, 3, 4, 5]
    assert same(made.train, samples)
    wanted = inputs.clone()
    wanted[:, 0, 1, 1] = 0.0
    assert torch.equal(made.repaired.inputs, wanted)
    assert torch.equal(made.repaired.labels, samples.labels)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: corruptions.reversed_labels(DATA, 45, seed=0), "count: expected a multiple of 10"),
        (lambda: corruptions.reversed_labels(DATA, 290, seed=0), "count: expected at most"),
        (
            lambda: corruptions.reversed_labels(
                ul.Samples(DATA.inputs, DATA.inputs[:, 0]), 4, seed=0
            ),
            "labels: expected shape|class numbers",
        ),
        (
            lambda: corruptions.planted_patch(IMAGES, 3, target=5, seed=0, side=2),
            "target: expected",
        ),
        (
            lambda: corruptions.planted_patch(IMAGES, 99, target=1, seed=0, side=2),
            "count: expected",
        ),
        (lambda: corruptions.with_patch(IMAGES.inputs, 7), "side: expected"),
        (lambda: corruptions.with_patch(IMAGES.inputs[0], 2), "inputs: expected images"),
        (lambda: corruptions.erased_features(IMAGES, []), "features: expected at least one"),
        (lambda: corruptions.erased_features(IMAGES, [72]), "features: expected"),
        (
            lambda: corruptions.erased_features(ul.Samples(torch.zeros(2, 3), [0, 1]), [1]),
            "features: expected some sample",
        ),
    ],
)
def test_bad_input_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
