"""The matrix of softmax regression in closed form, against automatic differentiation."""

import pytest
import torch
from torch import nn

import unlearning as ul
from tests.curvature.oracles import Point, batch
from unlearning.base.operations import Operations
from unlearning.curvature.closed_form import softmax_matrix


@pytest.mark.parametrize("bias", [True, False])
def test_closed_form_is_the_hessian(bias):
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 3, bias=bias))
    point = Point(model, *batch(7, (2, 3)))
    found = softmax_matrix(point.objective, ul.Samples(point.inputs, point.labels), point.w)
    torch.testing.assert_close(found, point.hessian(), rtol=0, atol=1e-14)


def test_operations_are_those_that_are_said():
    n, p, c = 11, 6, 3
    point = Point(nn.Sequential(nn.Linear(p, c)), *batch(n, (p,)))
    with Operations() as counted:
        softmax_matrix(point.objective, ul.Samples(point.inputs, point.labels), point.w)
    assert counted.products == c * (c + 1) * n * (p + 1) ** 2 + 2 * n * c * p  # and the logits


def test_another_model_is_refused():
    point = Point(nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)), *batch(6, (4,)))
    samples = ul.Samples(point.inputs, point.labels)
    with pytest.raises(ValueError, match="objective: expected softmax regression"):
        softmax_matrix(point.objective, samples, point.w)
