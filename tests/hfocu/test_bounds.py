"""The two recursions, against retrained and unlearned paths that autodiff finds."""

import dataclasses
import functools
import math

import pytest
import torch

import unlearning as ul
from tests.hfocu.paths import draw
from unlearning.hfocu import bounds
from unlearning.hfocu.constants import LOSSES
from unlearning.hfocu.contraction import products_after

SEEDS = range(30)
LEAST = 20  # cases that must qualify, or the test says nothing
ROUNDING = 1e-12  # of float64, relative to the largest weight


@functools.cache
def exact_steps(problem):
    """The constants of a problem for its own forget set, from dense Hessians and single samples."""
    w, _, _ = problem.paths
    loss = LOSSES[problem.run.objective.loss_name]
    identity, l2 = torch.eye(len(w[0]), dtype=torch.float64), problem.run.objective.l2
    steps = []
    for t, (eta, batch, kept, gone) in enumerate(problem.batches()):
        b, norms = len(batch), problem.norms[kept]
        moved = identity - eta / b * problem.hessian(w[t], batch)
        step = bounds.StepConstants(
            step_size=eta,
            least=l2 * len(kept) / b,
            largest=float(loss.curvature * norms.square().sum() / b + l2 * len(kept) / b),
            contraction=float(torch.linalg.matrix_norm(moved, ord=2)),
            lipschitz=float(loss.third * norms.pow(3).sum() / b),
            source=float(problem.gradient(w[t], gone).norm() / b),
            forgotten=float(torch.linalg.matrix_norm(problem.hessian(w[t], gone) / b, ord=2)),
            gradient=math.inf,
        )
        steps.append(step)
    return steps


def violations(steps, problem):
    """At how many steps a path lies beyond its bound."""
    bound = bounds.walk(steps)
    return beyond(problem, problem.change, bound.change) + beyond(
        problem, problem.error, bound.error
    )


def beyond(problem, distances, limits):
    """How many distances exceed their limits by more than rounding in paths of this size."""
    size = max(1.0, *(float(path.abs().max()) for path in problem.paths))
    pairs = zip(distances.tolist(), limits, strict=True)
    return sum(found > limit * (1 + 1e-9) + ROUNDING * size for found, limit in pairs)


def finite(steps):
    bound = bounds.walk(steps)
    return math.isfinite(bound.error[-1]) and math.isfinite(bound.change[-1])


@pytest.fixture(scope="module")
def problems():
    return [draw(seed) for seed in SEEDS]


def weakened(problems, **changes):
    """In how many problems the bound fails when a constant is made smaller."""
    failed = 0
    for problem in problems:
        steps = [
            dataclasses.replace(step, **{k: c * getattr(step, k) for k, c in changes.items()})
            for step in exact_steps(problem)
        ]
        failed += violations(steps, problem) > 0
    return failed


def test_the_library_ends_where_the_paths_end(problems):
    for problem in problems[:LEAST]:
        w, v, a = (path[-1] for path in problem.paths)
        assert ul.distance(problem.run.weights, w) < 1e-10
        assert ul.distance(ul.retrain(problem.run, problem.forget), v) < 1e-10
        vectors = ul.recollect(problem.run, sets=[problem.forget]).vectors
        assert ul.distance(vectors[0], a) < 1e-10


def test_change_is_approximator_plus_error_and_the_error_obeys_its_recursion(problems):
    """Identity: e' = (I - eta H) e + r, with the remainder r of the step taken exactly."""
    for problem in problems[:LEAST]:
        w, v, a = problem.paths
        e = torch.zeros_like(w[0])
        for t, (eta, batch, kept, gone) in enumerate(problem.batches()):
            b, delta = len(batch), v[t] - w[t]
            bend = problem.gradient(v[t], kept) - problem.gradient(w[t], kept)
            bend = bend - problem.hessian(w[t], kept) @ delta
            remainder = eta / b * (problem.hessian(w[t], gone) @ delta - bend)
            e = e - eta / b * problem.hessian(w[t], batch) @ e + remainder
            assert ul.distance(v[t + 1] - w[t + 1], a[t + 1] + e) < 1e-12 * (1 + float(v.norm()))


def test_no_path_lies_beyond_its_bound(problems):
    qualifying = [p for p in problems if finite(exact_steps(p))]
    assert len(qualifying) >= LEAST
    assert [violations(exact_steps(p), p) for p in qualifying] == [0] * len(qualifying)


def test_the_bound_is_one_also_with_known_changes(problems):
    qualifying = 0
    for problem in problems:
        bound = bounds.walk(exact_steps(problem), problem.change.tolist())
        own = bounds.walk(exact_steps(problem))
        qualifying += math.isfinite(own.error[-1])
        assert beyond(problem, problem.error, bound.error) == 0
        assert beyond(problem, torch.tensor(bound.error, dtype=torch.float64), own.error) == 0
    assert qualifying >= LEAST


@pytest.mark.parametrize("field", ["source", "forgotten", "contraction", "lipschitz"])
def test_a_constant_that_is_too_small_is_noticed(problems, field):
    """Negative control: the check above can fail, and each constant is needed."""
    once = {"l2": 0.0, "loss": "cross_entropy", "epochs": 1, "m": 1}  # then only the bend is left
    single = [draw(seed, **once) for seed in range(LEAST)]
    given = single if field == "lipschitz" else problems
    assert len(given) >= LEAST
    assert weakened(given, **{field: 0.0 if field == "lipschitz" else 0.5}) >= 3


def test_steep_steps_are_needed_in_the_growth():
    """The upper end of the curvature decides where the step is too long for it."""
    fixed = {"eta": 1.0, "scale": 1.5, "epochs": 3, "batch": 3, "n": 6, "loss": "squared"}
    problems = [draw(seed, **fixed) for seed in range(LEAST)]
    assert all(violations(exact_steps(p), p) == 0 for p in problems)
    assert weakened(problems, largest=0.25, contraction=0.25) >= 3


def test_one_product_of_contractions_bounds_the_approximator(problems):
    """``|a_T| <= sum of (product of the later contractions) * eta * source``."""
    for problem in problems:
        steps = list(exact_steps(problem))
        later = products_after([step.contraction for step in steps])[1:]
        bound = sum(p * s.step_size * s.source for p, s in zip(later, steps, strict=True))
        assert float(problem.paths[2][-1].norm()) <= bound * (1 + 1e-9) + ROUNDING


def test_overflow_is_infinite_and_refused():
    step = bounds.StepConstants(1.0, 0.0, 1e200, 1e200, 1.0, 1.0, 1.0, 1.0)
    assert bounds.walk([step] * 4).error[-1] == math.inf
    with pytest.raises(ValueError, match="run: expected steps along which the bound stays finite"):
        bounds.certified([step] * 4, None)


def test_a_clip_within_reach_of_a_retraining_is_refused():
    step = bounds.StepConstants(0.1, 0.0, 2.0, 1.0, 1.0, 1.0, 1.0, gradient=3.0)
    assert bounds.certified([step] * 2, clip=4.3).error == bounds.walk([step] * 2).error
    with pytest.raises(ValueError, match="gradients of norm up to 4.2 in step 1, clip = 4.19"):
        bounds.certified([step] * 2, clip=4.19)


def test_changes_of_another_length_are_refused():
    step = bounds.StepConstants(0.1, 0.0, 2.0, 1.0, 1.0, 1.0, 1.0, 3.0)
    with pytest.raises(ValueError, match="change: expected 2 numbers, got 1"):
        bounds.walk([step], [0.0])
