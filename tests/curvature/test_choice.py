"""Which kernel serves which model, and why another does not."""

import pytest
import torch
from torch import nn

import unlearning as ul
from unlearning.curvature import products

INPUTS = torch.randn(4, 1, 16, 16, generator=torch.Generator().manual_seed(0))
LABELS = torch.arange(4)
DATA = ul.Data("random", ul.Samples(INPUTS, LABELS), ul.Samples(INPUTS, LABELS))


def chosen(model, **settings):
    """The kernel that is announced, after a look that it is the one in use."""
    objective = ul.Objective(model, **settings)
    name = products.kernel_for(objective)
    labels = LABELS if objective.loss_name == "cross_entropy" else LABELS.float()
    assert products.at(objective, objective.initial_weights, INPUTS, labels).name == name
    return name


def network(*layers):
    """Something trainable around some layers, and then a linear one: [4, 1, 16, 16] to [4, 4]."""
    return nn.Sequential(nn.Conv2d(1, 2, 3), *layers, nn.Flatten(), nn.LazyLinear(4))


@pytest.mark.parametrize(
    ("model", "kernel"),
    [("logistic", "softmax"), ("mlp", "layers"), ("cnn", "layers"), ("smooth_cnn", "layers")],
)
def test_models_of_the_library(model, kernel):
    assert chosen(ul.models.build(model, DATA)) == kernel


@pytest.mark.parametrize(
    ("model", "count", "kernel"),
    [
        ("cnn", 1, "generic"),
        ("cnn", 100, "layers"),
        ("mlp", 1, "layers"),
        ("logistic", 1, "softmax"),
    ],
)
def test_few_vectors_are_not_worth_preparing_convolutions(model, count, kernel):
    objective = ul.Objective(ul.models.build(model, DATA))
    at = (objective, objective.initial_weights, INPUTS, LABELS)
    assert products.at(*at, count=count).name == kernel
    assert products.at(*at, count=count, kernel=products.kernel_for(objective)).name != "generic"


def test_squared_loss_is_no_softmax_regression():
    model = nn.Sequential(nn.Flatten(), nn.Linear(256, 1))
    assert chosen(model, loss="squared") == "layers"


class Custom(nn.Sequential):
    """A subclass may do anything."""


class Doubled(nn.Module):
    def forward(self, x):
        return 2 * x


@pytest.mark.parametrize(
    "layer",
    [
        Doubled(), Custom(nn.ReLU()), nn.GELU(), nn.BatchNorm2d(2), nn.Conv2d(2, 2, 3, groups=2),
        nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular"), nn.Conv2d(2, 2, 2, padding="same"),
        nn.Flatten(2),
    ],
    ids=lambda layer: str(layer).split("\n")[0],
)  # fmt: skip
def test_other_layers_get_generic_products(layer):
    model = network(layer)
    model(INPUTS)
    assert chosen(model) == "generic"


def test_a_hook_is_heeded():
    model = network()
    model(INPUTS)
    assert chosen(model) == "layers"
    model[0].register_forward_hook(lambda module, args, output: 2 * output)
    assert chosen(model) == "generic"


def test_a_forward_of_its_own_is_heeded():
    model = ul.models.logistic(DATA)
    model[1].forward = lambda x: x[:, :4].square()
    assert products.kernel_for(ul.Objective(model)) == "generic"


def test_a_parametrization_is_heeded():
    model = ul.models.logistic(DATA)
    nn.utils.parametrizations.weight_norm(model[1])
    assert products.kernel_for(ul.Objective(model)) == "generic"


def test_a_frozen_parameter_is_heeded():
    model = ul.models.mlp(DATA)
    model[1].bias.requires_grad_(False)
    assert chosen(model) == "generic"


def test_shared_parameters_are_heeded():
    square = nn.Linear(4, 4)
    model = nn.Sequential(nn.Flatten(), nn.Linear(256, 4), square, nn.ReLU(), square)
    assert chosen(model) == "generic"


class Tilted(ul.Objective):
    def mean_loss(self, w, inputs, labels):
        return super().mean_loss(w, inputs, labels) + w.pow(4).sum()


def test_an_objective_that_computes_something_else_is_heeded():
    objective = Tilted(ul.models.logistic(DATA))
    assert products.kernel_for(objective) == "generic"
    with pytest.raises(ValueError, match="an objective with a loss of its own"):
        products.kernel_for(objective, "softmax")


def test_half_precision_is_generic():
    assert products.kernel_for(ul.Objective(ul.models.mlp(DATA).bfloat16())) == "generic"


def test_inputs_of_another_shape_are_generic():
    model = nn.Sequential(nn.Linear(16, 2), nn.Flatten(), nn.Linear(32, 4))
    objective = ul.Objective(model)
    at = (objective, objective.initial_weights, INPUTS, LABELS)
    assert products.at(*at).name == "generic"
    with pytest.raises(ValueError, match="kernel: .* 'layers' does not, got a linear layer on"):
        products.at(*at, kernel="layers")


@pytest.mark.parametrize(
    ("kernel", "reason"),
    [("softmax", "got a layer Conv2d"), ("fast", "kernel: expected one of")],
)
def test_a_kernel_that_does_not_fit_is_refused(kernel, reason):
    objective = ul.Objective(ul.models.cnn(DATA))
    with pytest.raises(ValueError, match=reason):
        products.kernel_for(objective, kernel)
    with pytest.raises(ValueError, match=reason):
        products.at(objective, objective.initial_weights, INPUTS, LABELS, kernel=kernel)


def test_any_kernel_that_fits_may_be_asked_for():
    objective = ul.Objective(ul.models.logistic(DATA))
    vectors = torch.randn(3, objective.dimension)
    results = [
        ul.hessian_vector_products(
            objective, objective.initial_weights, INPUTS, LABELS, vectors, kernel=kernel
        )
        for kernel in products.KERNELS
    ]
    for result in results[1:]:
        torch.testing.assert_close(result, results[0], rtol=1e-4, atol=1e-5)
