"""What chapter 16 proves, on problems small enough to count every case."""

import itertools

import pytest
import torch
from torch import nn
from torch.func import hessian

import unlearning as ul
from unlearning.curvature.system import System

SIGNS = torch.tensor(list(itertools.product((-1.0, 1.0), repeat=5)), dtype=torch.float64)


def symmetric(d=5):
    generator = torch.Generator().manual_seed(3)
    half = torch.randn(d, d, generator=generator, dtype=torch.float64)
    return half + half.T


def hutchinson(matrix):
    """The estimates from every vector of signs there is, [2^d, d]."""
    return SIGNS * (SIGNS @ matrix)


def test_hutchinsons_error_over_all_signs():
    h = symmetric()
    d = h.diagonal()
    one = hutchinson(h)
    pairs = (one[:, None] + one[None]).flatten(0, 1) / 2
    for m, found in ((1, one), (2, pairs)):
        torch.testing.assert_close(found.mean(0), d)
        variance = (found - d).square().mean(0)
        torch.testing.assert_close(variance, (h.square().sum(1) - d**2) / m)
        relative = float(variance.sum() / d.square().sum())
        assert relative == pytest.approx((float(h.norm() / d.norm()) ** 2 - 1) / m)


def test_without_negative_eigenvalues_hutchinsons_error_is_bounded():
    for h in (symmetric() @ symmetric(), torch.ones(5, 5, dtype=torch.float64)):
        d = h.diagonal()
        variance = (hutchinson(h) - d).square().mean(0)
        assert bool((variance <= d * (d.sum() - d) * (1 + 1e-12)).all())
        assert float(variance.sum() / d.square().sum()) <= 4 * (1 + 1e-12)
    torch.testing.assert_close(variance.sum() / d.square().sum(), torch.tensor(4.0).double())


def point(module, inputs, labels, loss="cross_entropy"):
    objective = ul.Objective(module.double(), loss=loss)
    return objective, ul.Samples(inputs, labels), objective.initial_weights


def diagonals(module, inputs, labels, loss="cross_entropy"):
    """H by unit vectors, and the Gauss-Newton matrix by gradients."""
    at = point(module, inputs, labels, loss)
    h = ul.diagonal(*at, method="hessian", engine="products").values
    return h, ul.diagonal(*at, method="ggn", engine="gradients").values


def test_labels_drawn_for_like_samples():
    n, s = 3, 2
    inputs = torch.tensor([[0.7, -0.4]], dtype=torch.float64).expand(n, -1)
    torch.manual_seed(0)
    objective, samples, w = point(nn.Linear(2, 2), inputs, torch.zeros(n, dtype=torch.int64))
    p = objective.outputs(w, inputs)[0].softmax(0).detach()
    epsilon = float(1 - p[0])
    squares = torch.stack(
        [objective.sample_gradients(w, inputs[:1], torch.tensor([c]))[0] ** 2 for c in (0, 1)]
    )
    draws = torch.tensor(list(itertools.product((0, 1), repeat=n * s)))
    chances, found = p[draws].prod(1), squares[draws].mean(1)
    ggn = ul.diagonal(objective, samples, w, method="ggn").values
    torch.testing.assert_close(chances @ found, ggn)
    relative = chances @ (found - ggn).square() / ggn**2
    expected = (1 - 2 * epsilon) ** 2 / (n * s * epsilon * (1 - epsilon))
    torch.testing.assert_close(relative, torch.full_like(ggn, expected))
    own = ul.diagonal(objective, samples, w, method="empirical_fisher").values
    torch.testing.assert_close(own, epsilon / (1 - epsilon) * ggn)


class Fan(nn.Module):
    """f_c = v_c max(0, w x) with all v_c equal: w pushes no classes apart."""

    def __init__(self):
        super().__init__()
        self.w = nn.Parameter(torch.tensor([0.8]))
        self.v = nn.Parameter(torch.full((2,), 1.5))

    def forward(self, x):
        return torch.relu(self.w * x) * self.v


def test_a_dead_weight_whose_unit_fires():
    inputs = torch.tensor([[1.0], [2.0], [0.5]], dtype=torch.float64)
    labels = torch.tensor([0, 0, 1])
    at = objective, _, w = point(Fan(), inputs, labels)
    h = hessian(objective.mean_loss)(w, inputs, labels)
    ggn = System(*at, curvature="ggn", penalty_weight=0.0).dense()
    assert float(ul.diagonal(*at, method="ggn").values[0]) == 0
    assert float(ggn[0].abs().max()) < 1e-15
    for label in (0, 1):
        given = torch.full_like(labels, label)
        assert float(objective.sample_gradients(w, inputs, given)[:, 0].abs().max()) < 1e-15
    residual = 0.5 - nn.functional.one_hot(labels, 2).double()
    torch.testing.assert_close(h[0, 1:], (residual * inputs).mean(0))
    corrected = torch.tensor([1, 0, 1])
    g = objective.gradient(w, inputs, corrected) - objective.gradient(w, inputs, labels)
    damped = 0.1 * torch.eye(3, dtype=torch.float64)
    assert abs(float(torch.linalg.solve(ggn + damped, g)[0])) < 1e-15
    assert abs(float(torch.linalg.solve(h + damped, g)[0])) > 1e-2


class Square(nn.Module):
    """v -> a v^2: affine in its weight, not piecewise affine in its input."""

    def __init__(self, weight):
        super().__init__()
        self.a = nn.Parameter(torch.tensor([weight]))

    def forward(self, v):
        return self.a * v**2


def test_affine_in_its_weights_is_not_enough():
    x = torch.tensor([[1.3]], dtype=torch.float64)
    at = nn.Sequential(Square(0.6), Square(-1.1)), x, torch.tensor([2.0]).double(), "squared"
    h, ggn = diagonals(*at)
    output = -1.1 * 0.6**2 * 1.3**4
    assert float(h[0] - ggn[0]) == pytest.approx((output - 2) * 2 * -1.1 * 1.3**4, rel=1e-6)
    assert float(h[1]) == pytest.approx(float(ggn[1]))


class Residual(nn.Module):
    """Dense layers, frozen batch normalisation and a skip connection, no chain."""

    def __init__(self, activation):
        super().__init__()
        self.first, self.norm = nn.Linear(4, 4), nn.BatchNorm1d(4)
        self.last, self.activation = nn.Linear(4, 3), activation

    def forward(self, x):
        return self.last(x + self.activation(self.norm(self.first(x))))


@pytest.mark.parametrize(("activation", "equal"), [(nn.ReLU(), True), (nn.Softplus(), False)])
def test_the_diagonal_of_a_residual_network(activation, equal):
    torch.manual_seed(1)
    inputs = torch.randn(6, 4, dtype=torch.float64)
    h, ggn = diagonals(Residual(activation), inputs, torch.arange(6) % 3)
    gap = (h - ggn).abs()
    assert float(gap[-15:].max()) < 1e-12 * float(h.max())  # the last layer
    assert (float(gap[:-15].max()) < 1e-12 * float(h.max())) == equal
    assert float(gap[:-15].max()) > 1e-3 or equal
