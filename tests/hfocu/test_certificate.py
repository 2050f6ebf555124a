"""Constants against dense Hessians, bounds for any set against every set, and what is refused."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

import unlearning as ul
from tests.hfocu.paths import draw
from unlearning.hfocu import constants
from unlearning.hfocu.bounds import walk
from unlearning.hfocu.certificate import measured_bound, public_bound

LEAST = 20  # cases that must qualify, or a test says nothing
SAFE = {"eta": 0.3, "scale": 0.3}  # steps that no bound overflows on
ROOM = 1 + 1e-9


def norm(matrix):
    return float(torch.linalg.matrix_norm(matrix, ord=2))


def radius(problem):
    return float(problem.norms.max())


@pytest.fixture(scope="module")
def problems():
    return [draw(seed, **SAFE) for seed in range(24)]


def test_measured_constants_hold_where_dense_hessians_are_at_hand(problems):
    for problem in problems[:LEAST]:
        w, v, _ = problem.paths
        steps = list(constants.measured(problem.run, forget=problem.forget))
        for t, (eta, batch, kept, gone) in enumerate(problem.batches()):
            step, b = steps[t], len(batch)
            eye = torch.eye(len(w[t]), dtype=torch.float64)
            matrix = eye - eta / b * problem.hessian(w[t], batch)
            middle = problem.hessian((w[t] + v[t]) / 2, kept) / b
            values = torch.linalg.eigvalsh(middle)
            assert step.step_size == pytest.approx(eta)
            assert step.least <= float(values[0]) + 1e-12
            assert step.largest * ROOM >= float(values[-1])
            assert step.contraction * ROOM >= norm(matrix)
            bend = norm(problem.hessian(v[t], kept) / b - problem.hessian(w[t], kept) / b)
            assert step.lipschitz * float((v[t] - w[t]).norm()) * ROOM + 1e-12 >= bend
            assert step.source == pytest.approx(float(problem.gradient(w[t], gone).norm()) / b)
            assert step.forgotten * ROOM + 1e-12 >= norm(problem.hessian(w[t], gone) / b)
            whole = float(problem.gradient(w[t], batch).norm()) / b
            assert step.gradient == pytest.approx(whole)


def test_constants_for_any_set_add_up_the_longest_gradients_and_inputs(problems):
    for problem in problems[:LEAST]:
        w, _, _ = problem.paths
        loss, l2 = constants.LOSSES[problem.run.objective.loss_name], problem.run.objective.l2
        steps = constants.measured(problem.run, deletions=problem.m)
        for t, (step, (_, batch, *_)) in enumerate(zip(steps, problem.batches(), strict=True)):
            b, m = len(batch), min(problem.m, len(batch))
            norms = sorted(float(problem.gradient(w[t], [i]).norm()) for i in batch)
            assert step.source == pytest.approx(sum(norms[-m:]) / b)
            squares = sorted((problem.norms[batch] ** 2).tolist())
            assert step.forgotten <= (loss.curvature * sum(squares[-m:]) + m * l2) / b * ROOM


def test_public_constants_know_how_far_the_weights_can_have_come():
    problem = draw(6, loss="cross_entropy", l2=0.5, eta=0.4, n=8, batch=4, epochs=3)
    samples, objective = problem.run.samples, problem.run.objective
    start = torch.zeros_like(objective.initial_weights)
    run = ul.train(objective, samples, problem.run.schedule, initial_weights=start)
    steps = list(constants.public(run.schedule, 8, radius=radius(problem), l2=0.5, deletions=1,
                                  start=0.0))  # fmt: skip
    for t, step in enumerate(steps):
        norm_allowed = (step.gradient - 2**0.5 * radius(problem)) / 0.5
        assert norm_allowed * ROOM + 1e-12 >= float(run.weights_at(t).norm())
        assert step.source == pytest.approx(step.gradient / 4)


def test_the_contraction_of_softmax_regression_is_exact():
    for seed in range(8):
        problem = draw(seed, loss="cross_entropy", scale=3.0, eta=1.0)
        w, _, _ = problem.paths
        found = list(constants.measured(problem.run, deletions=1))
        for t, (eta, batch, *_) in enumerate(problem.batches()):
            eye = torch.eye(len(w[t]), dtype=torch.float64)
            exact = norm(eye - eta / len(batch) * problem.hessian(w[t], batch))
            assert found[t].contraction == pytest.approx(exact)


@pytest.mark.parametrize("kind", ["one set", "any set", "public"])
def test_no_retraining_lies_beyond_the_bound(problems, kind):
    qualifying = 0
    if kind == "public":
        problems = [draw(seed, **SAFE, loss="cross_entropy") for seed in range(LEAST)]
    for problem in problems:
        run = problem.run
        if kind == "public":
            bound = public_bound(
                run.schedule, len(run.samples), radius=radius(problem), l2=run.objective.l2,
                deletions=problem.m, initial_weights=run.initial_weights,
            )  # fmt: skip
        else:
            which = {"forget": problem.forget} if kind == "one set" else {"deletions": problem.m}
            bound = measured_bound(run, **which)
        qualifying += 1
        for found, limit in ((problem.change, bound.change), (problem.error, bound.error)):
            assert bool((found <= torch.tensor(limit, dtype=found.dtype) * ROOM + 1e-12).all())
    assert qualifying >= LEAST


def test_the_bound_for_any_set_covers_every_set():
    """All sets of up to two samples of a run, each retrained: the worst is below the bound."""
    problem = draw(4, **SAFE, n=7, loss="cross_entropy", features=2, epochs=2)
    run, sets = problem.run, [c for k in (1, 2) for c in itertools.combinations(range(7), k)]
    bound, qualifying = measured_bound(run, deletions=2), 0
    vectors = ul.recollect(run, sets=sets)
    for members in sets:
        retrained = ul.retrain(run, members)
        error = ul.distance(ul.forget(run, vectors, members), retrained)
        assert error <= bound.error[-1]
        assert ul.distance(retrained, run.weights) <= bound.change[-1]
        qualifying += error > 0
    assert qualifying >= LEAST


def test_less_knowledge_gives_a_larger_bound(problems):
    for problem in problems:
        run = problem.run
        one = measured_bound(run, forget=problem.forget).error[-1]
        every = measured_bound(run, deletions=problem.m).error[-1]
        assert one <= every * ROOM
        if run.objective.loss_name == "cross_entropy":
            public = public_bound(run.schedule, len(run.samples), radius=radius(problem),
                                  l2=run.objective.l2, deletions=problem.m,
                                  initial_weights=run.initial_weights)  # fmt: skip
            assert every <= public.error[-1] * ROOM


def test_the_third_derivative_attains_its_constant():
    """Two classes, one with probability (3 - sqrt 3)/6: no smaller constant would do."""
    p = (3 - 3**0.5) / 6
    logits = torch.tensor([math.log(p), math.log(1 - p)], dtype=torch.float64)
    u = torch.tensor([1.0, -1.0], dtype=torch.float64) / 2**0.5
    value = lambda s: torch.logsumexp(logits + s * u, 0)  # noqa: E731
    third = torch.func.grad(torch.func.grad(torch.func.grad(value)))
    found = float(third(torch.zeros((), dtype=torch.float64)))
    assert abs(found) == pytest.approx(constants.LOSSES["cross_entropy"].third, rel=1e-10)


def test_no_third_derivative_exceeds_its_constant():
    generator = np.random.default_rng(0)
    largest = 0.0
    for _ in range(4000):
        c = generator.integers(2, 6)
        p, u = generator.dirichlet(np.full(c, 0.4)), generator.standard_normal(c)
        u = u / np.linalg.norm(u)
        largest = max(largest, abs(p @ (u - p @ u) ** 3))
    assert 0.8 * constants.LOSSES["cross_entropy"].third < largest
    assert largest <= constants.LOSSES["cross_entropy"].third


def test_a_clip_that_was_active_is_refused():
    problem = draw(1, **SAFE, clip=0.01, loss="cross_entropy")
    with pytest.raises(ValueError, match=r"run: .* idle in every step, got .* active in"):
        measured_bound(problem.run, deletions=1)


def test_a_clip_that_only_a_retraining_would_reach_is_refused():
    free = draw(1, **SAFE, loss="cross_entropy")
    steps = list(constants.measured(free.run, deletions=free.m))
    longest = max(step.gradient for step in steps)
    close = draw(1, **SAFE, loss="cross_entropy", clip=longest * 1.001)
    with pytest.raises(ValueError, match="run: expected a clip that is idle in every retraining"):
        measured_bound(close.run, deletions=free.m)
    far = draw(1, **SAFE, loss="cross_entropy", clip=100.0)
    assert measured_bound(far.run, deletions=free.m) == walk(steps)


def test_losses_that_are_not_convex_are_refused():
    problem = draw(2, loss="cross_entropy", features=3, classes=2)
    network = nn.Sequential(nn.Linear(3, 2), nn.Softplus(), nn.Linear(2, 2)).double()
    run = ul.train(ul.Objective(network), problem.run.samples, ul.Schedule(0.1, batch_size=3))
    message = "objective: expected a convex loss: one linear layer, got Linear > Softplus > Linear"
    with pytest.raises(ValueError, match=message):
        measured_bound(run, deletions=1)


def test_bounds_that_are_not_finite_are_refused():
    schedule = ul.Schedule(1.0, batch_size=2, epochs=400)
    with pytest.raises(ValueError, match="run: expected steps along which the bound stays finite"):
        public_bound(schedule, 4, radius=9.0, l2=0.1, deletions=1)


def test_what_is_meant_must_be_said():
    problem = draw(3, **SAFE, loss="cross_entropy")
    for both in ({}, {"deletions": 1, "forget": [0]}):
        with pytest.raises(ValueError, match="forget: expected either deletions or forget"):
            measured_bound(problem.run, **both)
    with pytest.raises(ValueError, match="deletions: expected an integer from 1"):
        measured_bound(problem.run, deletions=0)
    schedule = problem.run.schedule
    for name, value in {"n": 1, "radius": 0.0, "l2": -1.0, "deletions": 0}.items():
        given = {"n": 6, "radius": 1.0, "l2": 0.1, "deletions": 1} | {name: value}
        with pytest.raises(ValueError, match=f"{name}: expected"):
            public_bound(schedule, given.pop("n"), **given)
