"""Samples: shapes and values are checked when they are made."""

import pytest
import torch

import unlearning as ul


def test_indexing_and_conversion():
    samples = ul.Samples(torch.randn(5, 2), torch.arange(5))
    part = samples[[1, 3]]
    assert len(part) == 2
    assert part.labels.tolist() == [1, 3]
    double = samples.to(dtype=torch.float64)
    assert double.inputs.dtype == torch.float64
    assert double.labels.dtype == torch.int64


def test_small_integer_labels_become_long():
    assert (
        ul.Samples(torch.ones(2, 1), torch.zeros(2, dtype=torch.uint8)).labels.dtype == torch.int64
    )


@pytest.mark.parametrize(
    ("inputs", "labels", "message"),
    [
        (torch.zeros(3), torch.zeros(3).long(), "inputs: expected a floating-point array"),
        (
            torch.zeros(3, 2).long(),
            torch.zeros(3).long(),
            "inputs: expected a floating-point array",
        ),
        (torch.zeros(0, 2), torch.zeros(0).long(), "inputs: .*n > 0"),
        (torch.zeros(3, 2), torch.zeros(4).long(), r"labels: expected shape \[3\].*got \[4\]"),
        (torch.full((1, 2), torch.inf), torch.zeros(1).long(), "inputs: expected finite numbers"),
        (torch.zeros(1, 2), torch.tensor([torch.nan]), "labels: expected finite numbers"),
        (torch.zeros(1, 2), torch.tensor([-1]), "labels: expected class numbers from 0, got -1"),
    ],
)
def test_malformed_samples_are_refused(inputs, labels, message):
    with pytest.raises(ValueError, match=message):
        ul.Samples(inputs, labels)
