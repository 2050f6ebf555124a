"""Contractions of a run's steps against dense Jacobians, idle and clipped, for any model."""

import math

import pytest
import torch

from tests.cases import cases
from unlearning.hfocu.contraction import contractions, products_after


def step_jacobian(run, t):
    """Derivative of step t in the weights before it, by automatic differentiation."""
    rows, clip = run.samples[run.batches[t]], run.schedule.clip
    eta = run.schedule.step_size * run.schedule.decay**t

    def step(w):
        g = run.objective.gradient(w, rows.inputs, rows.labels) + run.objective.l2 * w
        if clip is not None:
            g = g * (clip / g.norm()).clamp(max=1.0)
        return w - eta * g

    return torch.func.jacrev(step)(run.weights_at(t))


@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_each_is_the_norm_of_the_steps_jacobian(case, clip):
    run = case.run(clip=clip)
    expected = [
        float(torch.linalg.matrix_norm(step_jacobian(run, t), ord=2)) for t in range(len(run))
    ]
    assert (min(run.clip_factors) < 1) == clip
    assert contractions(run) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("step_size", [1e-3, 0.3, 3.0])
def test_of_softmax_regression_each_end_of_the_spectrum_decides_somewhere(step_size):
    run = cases()[0].run(clip=False, l2=0.0 if step_size == 3.0 else 0.1, step_size=step_size)
    expected = [
        float(torch.linalg.matrix_norm(step_jacobian(run, t), ord=2)) for t in range(len(run))
    ]
    assert contractions(run) == pytest.approx(expected, rel=1e-6)
    assert (max(expected) > 1.001) == (step_size == 3.0)


def test_a_product_of_norms_bounds_the_norm_of_the_product():
    run = cases()[0].run(clip=True)
    matrix = torch.eye(run.objective.dimension, dtype=torch.float64)
    for t in range(len(run)):
        matrix = step_jacobian(run, t) @ matrix
    assert float(torch.linalg.matrix_norm(matrix, ord=2)) <= products_after(contractions(run))[0]


def test_products_begin_at_each_step():
    assert products_after([2.0, 3.0, 0.5]) == [3.0, 1.5, 0.5, 1.0]
    assert products_after([]) == [1.0]
    assert products_after([1e200, 1e200]) == [math.inf, 1e200, 1.0]
