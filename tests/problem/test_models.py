"""The networks: sizes, seeds, smoothness, and errors for inputs that do not fit."""

import pytest
import torch
from torch import nn

import unlearning as ul
from tests.cases import random_data


def size(model):
    return sum(p.numel() for p in model.parameters())


def mnist_like():
    return random_data(n=2, shape=(1, 28, 28), classes=10)


def full(data):
    """Ten classes, as two random rows cannot hold them all."""
    labels = torch.tensor([0, 9])
    return ul.Data("mnist-like", ul.Samples(data.train.inputs, labels), data.test)


def test_dimensions_are_the_papers():
    data = full(mnist_like())
    assert size(ul.models.logistic(data)) == 7850
    assert size(ul.models.cnn(data)) == size(ul.models.smooth_cnn(data)) == 21840
    assert size(ul.models.mlp(data)) == 64 * 784 + 714
    assert size(ul.models.lenet(data)) == 61706


@pytest.mark.parametrize(("features", "d"), [(13, 1546), (19, 1930), (88, 6346), (561, 36618)])
def test_the_released_mlp_has_ten_outputs_for_wine_obesity_adult_and_har(features, d):
    data = random_data(shape=(features,), classes=2)
    assert size(ul.models.build("mlp_released", data)) == 64 * features + 714 == d
    assert size(ul.models.build("mlp", data)) == d - 8 * 65  # one for each class otherwise


def test_lenet_is_the_network_layer_by_layer():
    data = full(mnist_like())
    model = ul.models.lenet(data, seed=3)
    weights = [p.detach() for p in model.parameters()]
    x = data.train.inputs
    f = nn.functional
    x = f.max_pool2d(f.relu(f.conv2d(x, weights[0], weights[1], padding=2)), 2)
    x = f.max_pool2d(f.relu(f.conv2d(x, weights[2], weights[3])), 2).flatten(1)
    for i in (4, 6):
        x = f.relu(f.linear(x, weights[i], weights[i + 1]))
    torch.testing.assert_close(model(data.train.inputs), f.linear(x, weights[8], weights[9]))


def test_seed_gives_pytorchs_own_initialisation_and_leaves_the_global_generator_alone():
    data = random_data()
    state = torch.get_rng_state()
    model = ul.models.logistic(data, seed=11)
    assert torch.equal(torch.get_rng_state(), state)
    with torch.random.fork_rng():
        torch.manual_seed(11)
        plain = nn.Linear(16, 3).double()
    assert torch.equal(model[1].weight, plain.weight)
    assert torch.equal(model[1].bias, plain.bias)
    assert not torch.equal(ul.models.logistic(data, seed=12)[1].weight, plain.weight)


def test_model_follows_the_data():
    assert next(ul.models.build("mlp", random_data()).parameters()).dtype == torch.float64


def test_smooth_cnn_is_twice_differentiable_where_the_cnn_has_kinks():
    layers = {type(m) for m in ul.models.smooth_cnn(full(mnist_like())).modules()}
    assert not layers & {nn.ReLU, nn.MaxPool2d}
    assert {nn.Softplus, nn.AvgPool2d} <= layers


def test_smooth_cnn_fits_small_images_by_itself():
    digits = ul.load("digits", n_train=20)
    model = ul.models.build("smooth_cnn", digits)
    assert model(digits.train.inputs).shape == (20, 10)
    assert model[0].kernel_size == (3, 3)


def test_errors_name_what_is_wrong():
    data = random_data()
    with pytest.raises(ValueError, match="name: expected one of logistic, mlp, cnn, smooth_cnn"):
        ul.models.build("resnet", data)
    with pytest.raises(ValueError, match="images large enough .*got 4 x 4 pixels"):
        ul.models.lenet(data)
    with pytest.raises(
        ValueError, match=r"outputs: expected an integer of at least 3 \(the classes"
    ):
        ul.models.mlp(data, outputs=2)
    with pytest.raises(ValueError, match="images large enough .*got 4 x 4 pixels"):
        ul.models.cnn(data)
    with pytest.raises(ValueError, match="data: expected images"):
        ul.models.cnn(random_data(shape=(5,)))
    with pytest.raises(ValueError, match="activation: expected one of relu"):
        ul.models.mlp(data, activation="gelu")
    with pytest.raises(ValueError, match="hidden: expected an integer of at least 1"):
        ul.models.mlp(data, hidden=0)
