"""Random networks, and what automatic differentiation says of them."""

import itertools

import torch
from hypothesis import assume
from hypothesis import strategies as st
from torch import nn
from torch.func import grad, hessian, vmap

import unlearning as ul

ACTIVATIONS = (
    nn.ReLU,
    nn.Tanh,
    lambda: nn.ReLU(inplace=True),
    lambda: nn.Softplus(beta=3.0, threshold=1.5),  # entries on both sides of the threshold
)


class Point:
    """A model at random weights with a random batch, in float64."""

    def __init__(self, model, inputs, labels, loss="cross_entropy", seed=0):
        self.objective = ul.Objective(model.double(), l2=0.7, loss=loss)
        generator = torch.Generator().manual_seed(seed)
        self.w = torch.randn(self.objective.dimension, generator=generator, dtype=torch.float64)
        self.w *= 0.7
        self.inputs, self.labels = inputs, labels
        self.at = (self.objective, self.w, inputs, labels)

    def hessian(self):
        """Dense Hessian of the mean loss, by torch.func and nothing of the library's curvature."""
        return hessian(self.objective.mean_loss)(self.w, self.inputs, self.labels)

    def sample_gradients(self):
        def one(w, x, y):
            return self.objective.mean_loss(w, x[None], y[None])

        return vmap(grad(one), (None, 0, 0))(self.w, self.inputs, self.labels)

    def vectors(self, count):
        generator = torch.Generator().manual_seed(5)
        return torch.randn(count, len(self.w), generator=generator, dtype=torch.float64)


def batch(n, shape, loss="cross_entropy", seed=1, classes=3):
    """Inputs with many equal entries, so that maxima are tied, and labels."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(n, *shape, generator=generator, dtype=torch.float64)
    inputs = (2 * inputs).round() / 2
    if loss == "squared":
        return inputs, torch.randn(n, generator=generator, dtype=torch.float64)
    return inputs, torch.arange(n) % classes


@st.composite
def dense_networks(draw):
    """Linear layers with activations, both losses."""
    loss = draw(st.sampled_from(("cross_entropy", "squared")))
    sizes = [4, *draw(st.lists(st.integers(1, 5), max_size=2)), 1 if loss == "squared" else 3]
    layers = [nn.Flatten()]
    for i, j in itertools.pairwise(sizes):
        layers += [nn.Linear(i, j, bias=draw(st.booleans())), draw(st.sampled_from(ACTIVATIONS))()]
    inputs, labels = batch(draw(st.integers(1, 4)), (1, 2, 2), loss)
    return Point(nn.Sequential(*layers[:-1]), inputs, labels, loss)


@st.composite
def convolutional_networks(draw):
    """Two convolutions with any sizes, each with pooling and activation in any order or without."""
    shape = (draw(st.integers(1, 2)), draw(st.integers(4, 7)), draw(st.integers(4, 7)))
    inputs, labels = batch(draw(st.integers(1, 3)), shape)
    layers, channels = [], shape[0]
    for _ in range(2):
        width = draw(st.integers(1, 3))
        layers.append(draw(convolutions(channels, width)))
        layers += draw(st.permutations(draw(between())))
        channels = width
    body = nn.Sequential(nn.Sequential(*layers), nn.Flatten()).double()
    try:
        features = body(inputs).shape[1]
    except RuntimeError:  # nothing is left of the image
        features = 0
    assume(0 < features <= 40)
    return Point(nn.Sequential(*body, nn.Linear(features, 3)), inputs, labels)


@st.composite
def convolutions(draw, channels, width):
    two = st.tuples(st.integers(1, 3), st.integers(1, 3))
    kernel, dilation = draw(two), draw(st.sampled_from(((1, 1), (1, 1), (2, 1))))
    bias = draw(st.booleans())
    if draw(st.integers(0, 4)) == 0:
        name = draw(st.sampled_from(("same", "valid")))
        odd = tuple(k | 1 for k in kernel)
        return nn.Conv2d(channels, width, odd, padding=name, dilation=dilation, bias=bias)
    padding, stride = draw(st.tuples(st.integers(0, 2), st.integers(0, 1))), draw(two)
    return nn.Conv2d(channels, width, kernel, stride, padding, dilation, bias=bias)


@st.composite
def between(draw):
    """What stands between two convolutions."""
    kernel = draw(st.integers(1, 3))
    stride, padding = draw(st.integers(1, 3)), draw(st.integers(0, kernel // 2))
    ceil = draw(st.booleans())
    pools = (
        nn.MaxPool2d(kernel, stride, padding, ceil_mode=ceil),
        nn.MaxPool2d(2, 1, dilation=draw(st.integers(1, 2))),
        nn.AvgPool2d(kernel, stride, padding, ceil, count_include_pad=draw(st.booleans())),
        nn.AvgPool2d((2, 1), divisor_override=3),
    )
    chosen = [draw(st.sampled_from(pools))] if draw(st.integers(0, 3)) else []
    return chosen + ([draw(st.sampled_from(ACTIVATIONS))()] if draw(st.integers(0, 3)) else [])
