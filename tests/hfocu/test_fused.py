"""Steps of softmax regression made together, against single steps and a dense recursion."""

import math
from dataclasses import dataclass
from itertools import pairwise
from unittest import mock

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

import unlearning as ul
from unlearning.curvature.products import kernel_for
from unlearning.hfocu import fused
from unlearning.hfocu.recursion import Recursion

STEP_SIZE = 0.3
#: The penalties: none, small, so large that few steps fit together (1 - 0.3 is a factor of 0.7),
#: that none do (0.1), and that every step turns the weights around (-0.2).
PENALTIES = (0.0, 0.01, 1.0, 3.0, 4.0)
#: Never reached, reached in some steps and in all.
CLIPS = (None, 1e9, 0.4, 0.8, 1.6, 1e-3)


@dataclass(frozen=True)
class Problem:
    """A softmax regression on random numbers."""

    n: int
    features: int
    classes: int
    bias: bool
    flatten: bool
    schedule: ul.Schedule
    l2: float

    def run(self) -> ul.Run:
        generator = torch.Generator().manual_seed(self.n + 10 * self.features + self.classes)
        shape = (self.n, 1, self.features) if self.flatten else (self.n, self.features)
        inputs = torch.randn(shape, generator=generator, dtype=torch.float64)
        labels = torch.randint(self.classes, (self.n,), generator=generator)
        linear = nn.Linear(self.features, self.classes, bias=self.bias).double()
        d = self.classes * (self.features + self.bias)
        start = torch.randn(d, generator=generator, dtype=torch.float64)
        model = nn.Sequential(nn.Flatten(), linear) if self.flatten else linear
        objective = ul.Objective(model, l2=self.l2)
        assert kernel_for(objective) == "softmax"
        samples = ul.Samples(inputs, labels)
        return ul.train(objective, samples, self.schedule, initial_weights=start)


@st.composite
def problems(draw, most=14):
    n = draw(st.integers(3, most))
    schedule = ul.Schedule(
        STEP_SIZE,
        decay=draw(st.sampled_from([1.0, 0.97, 0.6])),
        batch_size=draw(st.one_of(st.just(1), st.just(n), st.integers(1, n))),
        epochs=draw(st.integers(1, 3)),
        clip=draw(st.sampled_from(CLIPS)),
        seed=draw(st.integers(0, 9)),
        reshuffle=draw(st.booleans()),
    )
    return Problem(
        n,
        features=draw(st.integers(1, 5)),
        classes=draw(st.integers(2, 4)),
        bias=draw(st.booleans()),
        flatten=draw(st.booleans()),
        schedule=schedule,
        l2=draw(st.sampled_from(PENALTIES)),
    )


@st.composite
def problems_with_arguments(draw, most=14):
    """A problem, rows (of samples, or of sets that may overlap), and how they are computed."""
    problem = draw(problems(most))
    numbers = st.integers(0, problem.n - 1)
    one = st.lists(numbers, min_size=1, max_size=problem.n - 1, unique=True)
    arguments = {
        "convention": draw(st.sampled_from(ul.CONVENTIONS)),
        "sets": draw(st.none() | st.lists(one, min_size=1, max_size=5)),
        "chunk": draw(st.none() | st.integers(1, problem.n + 2)),
    }
    return problem, arguments, draw(st.sampled_from([1, 7, 32, fused.GROUP]))


def close(given, expected):
    """To 1e-10 of the largest entry, or of 1 where all are small."""
    largest = max(1.0, float(expected.abs().max()))
    torch.testing.assert_close(given, expected, rtol=0, atol=1e-10 * largest)


@given(case=problems_with_arguments())
@settings(max_examples=25, deadline=None)
def test_equals_the_steps_made_one_by_one(case):
    problem, arguments, group = case
    run = problem.run()
    with mock.patch.object(fused, "GROUP", group):
        together = ul.recollect(run, kernel="softmax", **arguments).vectors
    one_by_one = ul.recollect(run, kernel="generic", **arguments).vectors
    close(together, one_by_one)


def dense(run: ul.Run, bias: bool, sets, convention: str) -> torch.Tensor:
    """The recursion as it is written in the design, with matrices ``[d, d]`` from autodiff."""
    x, y, l2 = run.samples.inputs.flatten(1), run.samples.labels, run.objective.l2
    clip, d = run.schedule.clip, len(run.weights)
    classes = d // (x.shape[1] + bias)

    def loss(w, rows):
        weight = w[: classes * x.shape[1]].view(classes, -1)
        outputs = functional.linear(x[rows], weight, w[classes * x.shape[1] :] if bias else None)
        return functional.cross_entropy(outputs, y[rows])

    identity = torch.eye(d, dtype=torch.float64)
    a = torch.zeros(len(sets), d, dtype=torch.float64)
    for t, batch in enumerate(run.batches):
        w, eta = run.weights_at(t), run.schedule.step_size * run.schedule.decay**t
        mean = torch.func.grad(loss)(w, batch)
        j = torch.func.hessian(loss)(w, batch) + l2 * identity
        g, p = mean + l2 * w, identity
        if clip is not None and g.norm() > clip:
            p = clip / g.norm() * (identity - torch.outer(g, g) / (g @ g))
        common = {"R1": -mean, "R2": l2 * w, "R3": 0 * w}[convention]
        fresh = torch.zeros_like(a)
        for row, members in enumerate(sets):
            for u in set(members) & set(batch.tolist()):
                fresh[row] += torch.func.grad(loss)(w, torch.tensor([u])) + common
        a = a - eta * a @ (p @ j).T + eta / len(batch) * fresh @ p.T
    return a


@given(case=problems_with_arguments(most=9))
@settings(max_examples=25, deadline=None)
def test_equals_the_dense_recursion(case):
    problem, arguments, group = case
    run = problem.run()
    sets = arguments["sets"] or [[i] for i in range(problem.n)]
    with mock.patch.object(fused, "GROUP", group):
        vectors = ul.recollect(run, kernel="softmax", **arguments).vectors
    close(vectors, dense(run, problem.bias, sets, arguments["convention"]))


@pytest.mark.parametrize("convention", ul.CONVENTIONS)
def test_batches_larger_than_a_group(convention):
    schedule = ul.Schedule(STEP_SIZE, batch_size=300, epochs=2)
    problem = Problem(700, 2, 3, True, False, schedule, 0.1)
    assert schedule.batch_size > fused.GROUP > 700 % 300
    run = problem.run()
    sets = [[0, 5, 699], [5], list(range(0, 700, 2))]
    vectors = ul.recollect(run, sets=sets, convention=convention).vectors
    close(vectors, dense(run, True, sets, convention))


class Units:
    """Notes which steps were made together and which one by one."""

    def __init__(self, monkeypatch):
        self.together, self.single = [], 0
        joint, alone = Recursion._advance_together, Recursion._advance_one

        def noted(recursion, vectors, stretch, steps):
            self.together.append(len(steps))
            return joint(recursion, vectors, stretch, steps)

        def counted(recursion, vectors, stretch, steps):
            self.single += 1
            return alone(recursion, vectors, stretch, steps)

        monkeypatch.setattr(Recursion, "_advance_together", noted)
        monkeypatch.setattr(Recursion, "_advance_one", counted)


@pytest.mark.parametrize(
    ("changes", "l2", "together", "single"),
    [
        ({}, 0.1, [16, 14], 0),  # as many as a stretch of the training has
        ({"clip": 1e9}, 0.1, [16, 14], 0),
        ({"clip": 1e-3}, 0.1, [], 30),
        ({}, 1.0, [1] * 30, 0),  # 0.7 alone is above the least share, 0.7**2 is not
        ({}, 4.0, [], 30),
        ({"batch_size": 1, "epochs": 1}, 0.1, [16, 14], 0),
    ],
)
def test_steps_are_made_together_where_they_can_be(monkeypatch, changes, l2, together, single):
    """The comparisons above would say nothing if all steps were made one by one."""
    given = {"batch_size": 3, "epochs": 3, **changes}
    run = Problem(30, 4, 3, True, True, ul.Schedule(STEP_SIZE, **given), l2).run()
    units = Units(monkeypatch)
    ul.recollect(run)
    assert (units.together, units.single) == (together, single)


def test_single_steps_stand_between_groups_where_the_clip_is_active(monkeypatch):
    schedule = ul.Schedule(STEP_SIZE, batch_size=3, epochs=3, clip=1.3)
    run = Problem(30, 4, 3, True, True, schedule, 0.1).run()
    clipped = sum(factor < 1 for factor in run.clip_factors)
    units = Units(monkeypatch)
    vectors = ul.recollect(run).vectors
    assert units.single == clipped
    assert sum(units.together) == len(run) - clipped
    assert clipped > 2
    assert max(units.together) > 3
    close(vectors, ul.recollect(run, kernel="generic").vectors)


def test_the_quirks_of_the_released_code_are_never_fused(monkeypatch):
    run = Problem(6, 2, 2, True, True, ul.Schedule(STEP_SIZE, batch_size=3), 0.1).run()
    units = Units(monkeypatch)
    for name in ul.QUIRKS:
        ul.recollect(run, quirks=(name,))
    assert (units.together, units.single) == ([], 2 * len(ul.QUIRKS))


# How steps are cut into groups.


def columns(steps):
    return [list(column) for column in zip(*steps, strict=True)] if steps else [[], [], []]


STEPS = st.lists(
    st.tuples(
        st.sampled_from([1.0, 1.0, 1.0, 0.5]),  # clip factor
        st.sampled_from([1, 32, 100, 255, 256, 257, 1000]),  # size
        st.floats(0.01, 3.0),  # step size
    ),
    max_size=40,
)
L2 = st.sampled_from([0.0, 0.01, 0.1, 0.5, 1.0])


@given(steps=STEPS, l2=L2)
@settings(max_examples=200, deadline=None)
def test_groups_hold_every_step_once_in_order_and_never_more_than_they_may(steps, l2):
    factors, sizes, etas = columns(steps)
    units = list(fused.groups(factors, sizes, etas, l2))
    assert [t for unit, _ in units for t in unit] == list(range(len(steps)))
    for unit, together in units:
        assert len(unit) > 0
        share = math.prod(1 - etas[t] * l2 for t in unit)
        if together:
            assert all(factors[t] == 1.0 for t in unit)
            assert share >= fused.LEAST_SHARE
            assert len(unit) == 1 or sum(sizes[t] for t in unit) <= fused.GROUP
        else:
            assert len(unit) == 1
            assert factors[unit.start] != 1.0 or share < fused.LEAST_SHARE


@given(steps=STEPS, l2=L2)
@settings(max_examples=200, deadline=None)
def test_groups_cut_from_the_end_of_a_group_on_are_the_same(steps, l2):
    """Or else work that goes on from a saved state would end with other last bits."""
    factors, sizes, etas = columns(steps)
    units = list(fused.groups(factors, sizes, etas, l2))
    for k, (unit, _) in enumerate(units, 1):
        end = unit.stop
        again = fused.groups(factors[end:], sizes[end:], etas[end:], l2)
        moved = [(range(part.start + end, part.stop + end), alone) for part, alone in again]
        assert moved == units[k:]


@given(steps=STEPS, l2=L2)
@settings(max_examples=100, deadline=None)
def test_no_group_could_have_taken_the_next_step_too(steps, l2):
    factors, sizes, etas = columns(steps)
    units = list(fused.groups(factors, sizes, etas, l2))
    for (unit, together), (after, joint) in pairwise(units):
        if together and joint:
            longer = [*unit, after.start]
            full = sum(sizes[t] for t in longer) > fused.GROUP
            small = math.prod(1 - etas[t] * l2 for t in longer) < fused.LEAST_SHARE
            assert full or small
