"""Every kernel against the dense Hessian and the gradients of automatic differentiation."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import unlearning as ul
from tests.curvature.oracles import Point, batch, convolutional_networks, dense_networks
from unlearning.curvature import products


def check(point, kernel, count=5):
    prepared = products.at(*point.at, kernel=kernel)
    assert prepared.name == kernel
    vectors, expected = point.vectors(count), point.hessian()
    close(prepared.multiply(vectors), vectors @ expected)
    close(prepared.multiply(vectors[1:3]), vectors[1:3] @ expected)  # nothing is left of before
    out = torch.full_like(vectors, torch.nan)
    assert prepared.multiply(vectors, out=out) is out
    close(out, vectors @ expected)
    check_gradients(point, prepared)


def check_gradients(point, prepared):
    each = point.sample_gradients()
    close(prepared.gradient(), each.mean(0))
    close(prepared.sample_gradients(), each)
    positions = [len(each) - 1, 0]
    close(prepared.sample_gradients(positions), each[positions])
    close(prepared.sample_gradients(torch.tensor(positions)), each[positions])


def close(given, expected):
    torch.testing.assert_close(given, expected, rtol=1e-10, atol=1e-10)


@given(bias=st.booleans(), n=st.integers(1, 5), flat=st.integers(0, 2), classes=st.integers(2, 4))
@settings(max_examples=15, deadline=None)
@pytest.mark.parametrize("kernel", ["softmax", "layers", "generic"])
def test_softmax_regression(kernel, bias, n, flat, classes):
    inputs, labels = batch(n, (1, 2, 3) if flat else (6,), classes=classes)
    layers = [nn.Flatten() for _ in range(flat)]
    model = nn.Sequential(*layers, nn.Linear(6, classes, bias=bias))
    check(Point(model, inputs, labels), kernel)


@given(point=dense_networks())
@settings(max_examples=25, deadline=None)
def test_dense_networks(point):
    check(point, "layers")


@given(point=convolutional_networks())
@settings(max_examples=60, deadline=None)
def test_convolutional_networks(point):
    check(point, "layers")


@given(point=convolutional_networks())
@settings(max_examples=3, deadline=None)
def test_generic_products(point):
    check(point, "generic")


@pytest.mark.parametrize("relu", [True, False], ids=["relu", "no relu"])
@pytest.mark.parametrize("overlap", [True, False], ids=["overlapping", "apart"])
def test_convolutions_that_are_fused_with_their_pooling(relu, overlap):
    # Padded, strided and dilated: chosen outputs see inputs that do not exist.
    act = [nn.ReLU()] if relu else []  # one module used twice, which holds nothing
    model = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=2, stride=(2, 1)), nn.MaxPool2d(2), *act,
        nn.Conv2d(3, 4, (2, 3), padding=(1, 2), dilation=2), nn.MaxPool2d(2, 1 if overlap else 2),
        *act, nn.Flatten(), nn.LazyLinear(3),
    )  # fmt: skip
    inputs, labels = batch(4, (2, 9, 8))
    model.double()(inputs)
    check(Point(model, inputs, labels), "layers")


def test_kinks_are_those_of_autograd():
    # Every maximum is tied, so only the convention decides.
    model = nn.Sequential(
        nn.Conv2d(1, 2, 2), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(2, 2, 1), nn.ReLU(),
        nn.MaxPool2d(1), nn.Flatten(), nn.Linear(8, 3),
    )  # fmt: skip
    inputs, labels = torch.ones(3, 1, 5, 5, dtype=torch.float64), torch.arange(3)
    point = Point(model, inputs, labels)
    tied = products.at(*point.at, kernel="layers")
    close(tied.multiply(point.vectors(4)), point.vectors(4) @ point.hessian())
    # Every ReLU stands at 0, between layers that are not 0.
    flat = Point(nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 3)), *batch(3, (2,)))
    flat.w[:12] = 0.0
    close(products.at(*flat.at).multiply(flat.vectors(4)), flat.vectors(4) @ flat.hessian())


def test_softplus_of_a_first_layer_that_bends_the_hessian():
    inputs, labels = batch(4, (3,))
    model = nn.Sequential(nn.Softplus(), nn.Linear(3, 4), nn.Softplus(), nn.Linear(4, 3))
    check(Point(model, inputs, labels), "layers")


@pytest.mark.parametrize("kernel", ["softmax", "layers", "generic"])
def test_a_row_of_a_trajectory_and_strided_vectors(kernel):
    inputs, labels = batch(4, (5,))
    point = Point(nn.Sequential(nn.Linear(5, 3)), inputs, labels)
    wide = torch.randn(2, 6, len(point.w), dtype=torch.float64)
    wide[0, 3] = point.w
    prepared = products.at(point.objective, wide[0, 3], inputs, labels, kernel=kernel)
    vectors = wide.movedim(0, 2)[..., 0]  # neither contiguous nor of stride 1
    close(prepared.multiply(vectors), vectors @ point.hessian())
    assert prepared.multiply(vectors).is_contiguous()


def test_products_of_float32_keep_to_float32():
    inputs, labels = batch(4, (5,))
    point = Point(nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3)), inputs, labels)
    single = ul.Objective(point.objective.module(point.w).float().requires_grad_(True))
    prepared = products.at(single, point.w.float(), inputs.float(), labels)
    result = prepared.multiply(point.vectors(4).float())
    assert result.dtype == torch.float32
    expected = point.vectors(4) @ point.hessian()
    torch.testing.assert_close(result.double(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.gpu
@pytest.mark.parametrize("model", ["logistic", "mlp", "cnn", "smooth_cnn"])
def test_cuda_agrees_with_the_cpu(model):
    inputs, labels = batch(8, (1, 16, 16))
    data = ul.Data("random", ul.Samples(inputs, labels), ul.Samples(inputs, labels))
    point = Point(ul.models.build(model, data), inputs, labels)
    there = ul.Objective(point.objective.module(point.w).cuda().requires_grad_(True))
    on_cpu = products.at(*point.at)
    on_gpu = products.at(there, point.w.cuda(), inputs.cuda(), labels.cuda())
    assert on_gpu.name == on_cpu.name
    vectors = point.vectors(20)
    moved = vectors.cuda()
    torch.cuda.set_sync_debug_mode("error")  # a multiplication waits for nothing
    try:
        result = on_gpu.multiply(moved)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    close(result.cpu(), on_cpu.multiply(vectors))
    close(on_gpu.gradient().cpu(), on_cpu.gradient())
    close(on_gpu.sample_gradients([2, 1]).cpu(), on_cpu.sample_gradients([2, 1]))
