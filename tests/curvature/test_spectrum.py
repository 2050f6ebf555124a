"""Ends of the spectrum and norms of a step, against dense matrices that torch.func forms."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

import unlearning as ul
from tests.curvature.oracles import Point, batch, dense_networks
from unlearning.curvature import spectrum

METHODS = ("dense", "lanczos", "auto")
small = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


def eigenvalues(point):
    return torch.linalg.eigvalsh(point.hessian()) + point.objective.l2


def clipped_step(point, eta, factor):
    """I - eta J, where J is the derivative of the clipped gradient by automatic differentiation."""
    objective, w, inputs, labels = point.at

    def gradient(w):
        return objective.gradient(w, inputs, labels) + objective.l2 * w

    threshold = factor * float(gradient(w).norm())

    def clipped(w):
        g = gradient(w)
        return g * (threshold / g.norm())

    return torch.eye(len(w), dtype=w.dtype) - eta * torch.func.jacrev(clipped)(w)


def softmax_point(n=6, features=(1, 5, 5), seed=3):
    inputs, labels = batch(n, features, seed=seed)
    model = nn.Sequential(nn.Flatten(), nn.Linear(inputs[0].numel(), 3))
    return Point(model, inputs, labels)


@small
@given(dense_networks(), st.sampled_from(METHODS))
def test_ends_are_those_of_the_dense_hessian(point, method):
    values = eigenvalues(point)
    found = spectrum.hessian_ends(*point.at, method=method)
    size = float(values.abs().max())
    assert found.smallest == pytest.approx(float(values[0]), abs=1e-7 * size)
    assert found.largest == pytest.approx(float(values[-1]), abs=1e-7 * size)
    largest = spectrum.largest_eigenvalue(*point.at, method=method)
    assert largest == pytest.approx(float(values[-1]), abs=1e-7 * size)


@small
@given(dense_networks(), st.sampled_from(METHODS), st.floats(0.01, 3.0))
def test_an_idle_step_stretches_by_the_norm_of_its_matrix(point, method, eta):
    matrix = torch.eye(len(point.w), dtype=torch.float64) * (1 - eta * point.objective.l2)
    expected = torch.linalg.matrix_norm(matrix - eta * point.hessian(), ord=2)
    found = spectrum.step_norm(*point.at, eta, method=method)
    assert found == pytest.approx(float(expected), rel=1e-6)


@small
@given(dense_networks(), st.sampled_from(METHODS), st.floats(0.01, 3.0), st.floats(0.1, 0.95))
def test_a_clipped_step_stretches_by_its_largest_singular_value(point, method, eta, factor):
    expected = torch.linalg.svdvals(clipped_step(point, eta, factor))[0]
    found = spectrum.step_norm(*point.at, eta, clip_factor=factor, method=method)
    assert found == pytest.approx(float(expected), rel=1e-6)


def test_an_active_clip_is_not_symmetric_and_can_stretch_more_than_its_eigenvalues_say():
    point = softmax_point()
    matrix = clipped_step(point, 0.5, 0.3)
    radius = torch.linalg.eigvals(matrix).abs().max()
    assert spectrum.step_norm(*point.at, 0.5, clip_factor=0.3) > float(radius) + 1e-4


def test_many_equal_eigenvalues_at_the_bottom_do_not_stop_lanczos():
    point = softmax_point(n=2, features=(1, 20, 20))  # 1,203 weights, at most 4 curved directions
    found = spectrum.hessian_ends(*point.at, method="lanczos")
    # The Gram matrix of the softmax Hessian's factors has the same eigenvalues but for zeros.
    x = torch.cat([point.inputs.flatten(1), torch.ones(2, 1).double()], 1)
    p = point.objective.outputs(point.w, point.inputs).softmax(1)
    roots = torch.diag_embed(p.sqrt()) - p[:, :, None] * p.sqrt()[:, None]
    gram = torch.einsum("ika,jkb,ij->iajb", roots, roots, x @ x.T).reshape(6, 6) / 2
    expected = torch.linalg.eigvalsh(gram)[-1] + point.objective.l2
    assert found.largest == pytest.approx(float(expected), rel=1e-7)
    assert found.smallest == pytest.approx(point.objective.l2, abs=1e-7 * float(expected))


def test_a_flat_loss_has_the_penalty_alone():
    inputs, labels = batch(4, (3,))
    point = Point(nn.Linear(3, 3), torch.zeros_like(inputs), labels)
    point.objective = ul.Objective(nn.Linear(3, 3, bias=False).double(), l2=0.2)
    at = (point.objective, point.w[:9], torch.zeros_like(inputs), labels)
    for method in METHODS:
        assert spectrum.hessian_ends(*at, method=method) == pytest.approx((0.2, 0.2))


def test_single_precision_agrees_to_its_digits():
    point = softmax_point()
    objective = point.objective.to(dtype=torch.float32)
    found = spectrum.hessian_ends(
        objective, point.w.float(), point.inputs.float(), point.labels, method="lanczos"
    )
    values = eigenvalues(point)
    assert found == pytest.approx((float(values[0]), float(values[-1])), rel=1e-3)


def test_what_cannot_be_answered_is_refused():
    point = softmax_point()
    with pytest.raises(ValueError, match="method: expected one of auto, dense, lanczos"):
        spectrum.hessian_ends(*point.at, method="guess")
    with pytest.raises(ValueError, match="step_size: expected a finite number above 0"):
        spectrum.step_norm(*point.at, 0.0)
    with pytest.raises(ValueError, match="clip_factor: expected at most 1"):
        spectrum.step_norm(*point.at, 0.1, clip_factor=1.5)
    objective, w, inputs, labels = point.at
    for method in ("dense", "lanczos"):
        with pytest.raises(ValueError, match="w: expected a point at which the Hessian is finite"):
            spectrum.hessian_ends(objective, w * torch.nan, inputs, labels, method=method)
    with pytest.raises(ValueError, match="w: expected float32 or float64"):
        spectrum.hessian_ends(objective.to(torch.float16), w.half(), inputs.half(), labels)


def test_a_wrong_eigenvector_does_not_pass(monkeypatch):
    point = softmax_point()
    answer = lambda operator, **_: (torch.ones(1).numpy(), torch.ones(len(point.w), 1).numpy())  # noqa: E731
    monkeypatch.setattr(spectrum, "eigsh", answer)
    with pytest.raises(ValueError, match="method: expected a relative residual of at most"):
        spectrum.hessian_ends(*point.at, method="lanczos")
