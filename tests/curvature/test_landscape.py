"""The objective as a function of the weights, and slices along filter-normalised directions."""

import pytest
import torch
from torch import nn

import unlearning as ul
from tests.curvature.oracles import Point, batch
from unlearning.curvature.landscape import Landscape, filter_normalised, loss_slice


def convolutional():
    inputs, labels = batch(7, (2, 5, 5))
    layers = (nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(27, 3))
    return Point(nn.Sequential(*layers), inputs, labels)


def arguments(point):
    return point.objective, ul.Samples(point.inputs, point.labels), point.w


def value(point, w, penalty=True):
    outputs = point.objective.outputs(w, point.inputs)
    loss = nn.functional.cross_entropy(outputs, point.labels)
    return float(loss + penalty * point.objective.l2 / 2 * (w @ w))


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize("penalty", [True, False])
def test_value_and_gradient_are_those_of_the_whole(size, penalty):
    point = convolutional()
    landscape = Landscape(*arguments(point), penalty=penalty, batch=size)
    w = point.w.clone().requires_grad_(True)
    outputs = point.objective.outputs(w, point.inputs)
    whole = nn.functional.cross_entropy(outputs, point.labels)
    whole = whole + penalty * point.objective.l2 / 2 * (w @ w)
    whole.backward()
    found, gradient = landscape.value_and_gradient(point.w)
    assert found == pytest.approx(whole.item(), rel=1e-13)
    assert landscape.value(point.w) == pytest.approx(whole.item(), rel=1e-13)
    torch.testing.assert_close(gradient, w.grad, rtol=1e-12, atol=1e-13)
    assert landscape.passes == 2


def test_each_filter_has_the_norm_of_the_weights():
    point = convolutional()
    direction = filter_normalised(point.objective, point.w, seed=3)
    parts, own = (point.objective.unflatten(vector) for vector in (direction, point.w))
    for name in ("0.weight", "3.weight"):
        torch.testing.assert_close(parts[name].flatten(1).norm(dim=1),
                                   own[name].flatten(1).norm(dim=1))  # fmt: skip
        assert parts[name].shape[0] == 3
    assert not parts["0.bias"].any()
    assert not parts["3.bias"].any()
    # Within a filter it points where the normal numbers point.
    drawn = torch.randn(
        len(point.w), generator=torch.Generator().manual_seed(3), dtype=torch.float64
    )
    pairs = zip(parts["0.weight"], point.objective.unflatten(drawn)["0.weight"], strict=True)
    for found, normal in pairs:
        torch.testing.assert_close(found / found.norm(), normal / normal.norm())
    assert not torch.equal(direction, filter_normalised(point.objective, point.w, seed=4))


def test_layers_scaled_against_each_other_have_the_same_picture():
    point = convolutional()
    objective, samples, w = arguments(point)
    scaled = w.clone()
    for name, part in objective.unflatten(scaled).items():  # views
        part *= {"0.weight": 5.0, "0.bias": 5.0, "3.weight": 0.2, "3.bias": 1.0}[name]
    pictures = []
    for start in (w, scaled):
        directions = torch.stack([filter_normalised(objective, start, seed=s) for s in (1, 2)])
        steps = [-1.0, 0.0, 0.5]
        pictures.append(loss_slice(objective, samples, start, directions, steps, penalty=False))
    torch.testing.assert_close(*pictures, rtol=1e-10, atol=1e-12)


def test_a_slice_has_the_values_of_its_places():
    point = convolutional()
    directions = point.vectors(2)
    plane = loss_slice(*arguments(point), directions, [-0.5, 0.0, 2.0], batch=3)
    line = loss_slice(*arguments(point), directions[:1], torch.tensor([-0.5, 0.0, 2.0]))
    assert (plane.shape, line.shape) == ((3, 3), (3,))
    for i, a in enumerate((-0.5, 0.0, 2.0)):
        for j, b in enumerate((-0.5, 0.0, 2.0)):
            expected = value(point, point.w + a * directions[0] + b * directions[1])
            assert float(plane[i, j]) == pytest.approx(expected, rel=1e-12)
        assert float(line[i]) == pytest.approx(float(plane[i, 1]), rel=1e-12)


def test_bad_values_are_refused_by_name():
    point = convolutional()
    objective, samples, w = arguments(point)
    with pytest.raises(ValueError, match=r"directions: expected .* shape \[1, 141\] or \[2, 141\]"):
        loss_slice(objective, samples, w, w, [0.0])
    with pytest.raises(ValueError, match="directions: expected .*, got list"):
        loss_slice(objective, samples, w, [1.0], [0.0])
    with pytest.raises(ValueError, match="steps: expected a finite number, got nan"):
        loss_slice(objective, samples, w, w[None], [0.0, float("nan")])
    with pytest.raises(ValueError, match=r"w: expected shape \[141\], got \[140\]"):
        filter_normalised(objective, w[1:])
    with pytest.raises(ValueError, match="seed: expected an integer from 0"):
        filter_normalised(objective, w, seed=-1)
