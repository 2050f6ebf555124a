"""Sharpness-aware training, against steps made by hand with automatic differentiation."""

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.func import grad
from torch.nn import functional

import unlearning as ul
from tests.cases import SCHEDULE, cases, random_data
from unlearning.training.sharpness_aware import train_sharpness_aware

CASES = cases()


def by_hand(case, schedule, rho, l2):
    """The end of training, from the definition, on a whole objective with its penalty."""
    objective, samples = ul.Objective(case.model, l2=l2), case.data.train
    w, factors = objective.initial_weights, []
    for t, batch in enumerate(schedule.batches(len(samples))):

        def whole(w, batch=batch):
            outputs = objective.outputs(w, samples.inputs[batch])
            loss = functional.cross_entropy(outputs, samples.labels[batch])
            return loss + l2 / 2 * (w * w).sum()

        up = grad(whole)(w)
        g = grad(whole)(w + rho * up / up.norm())
        factors.append(1.0 if schedule.clip is None else min(1.0, schedule.clip / float(g.norm())))
        w = w - schedule.step_size * schedule.decay**t * factors[-1] * g
    return w, factors


@pytest.mark.parametrize("clip", [False, True], ids=["idle", "clipped"])
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_steps_are_those_of_the_definition(case, clip):
    schedule = replace(SCHEDULE, clip=case.clip if clip else None)
    objective = ul.Objective(case.model, l2=0.1)
    found = train_sharpness_aware(objective, case.data.train, schedule, rho=0.2)
    expected, factors = by_hand(case, schedule, 0.2, 0.1)
    torch.testing.assert_close(found.weights, expected, rtol=1e-12, atol=1e-12)
    assert found.clip_factors == pytest.approx(factors, rel=1e-12)
    assert min(factors) < 1 or not clip
    plain = ul.train(objective, case.data.train, schedule).weights
    assert ul.distance(found.weights, plain) > 1e-3


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_radius_zero_is_plain_training_to_the_bit(case):
    plain = case.run(clip=True)
    found = train_sharpness_aware(plain.objective, plain.samples, plain.schedule, rho=0.0)
    assert torch.equal(found.weights, plain.weights)
    assert torch.equal(found.initial_weights, plain.initial_weights)
    assert found.clip_factors == plain.clip_factors


def test_one_step_on_a_line():
    """F = (w x - y)^2/2 + l2 w^2/2 with x = 1, y = 0: its gradient is (1 + l2) w."""
    model = nn.Linear(1, 1, bias=False).double()
    objective = ul.Objective(model, l2=0.5, loss="squared")
    samples = ul.Samples(torch.ones(1, 1).double(), torch.zeros(1).double())
    schedule = ul.Schedule(step_size=0.1, batch_size=1)
    start = torch.tensor([-2.0]).double()
    found = train_sharpness_aware(objective, samples, schedule, rho=0.3, initial_weights=start)
    assert float(found.weights) == pytest.approx(-2 + 0.1 * 1.5 * 2.3, rel=1e-14)


def test_a_stationary_point_stays_where_it_is():
    model = nn.Linear(1, 1, bias=False).double()
    objective = ul.Objective(model, l2=0.5, loss="squared")
    samples = ul.Samples(torch.ones(1, 1).double(), torch.zeros(1).double())
    schedule = ul.Schedule(step_size=0.1, batch_size=1)
    start = torch.zeros(1).double()
    found = train_sharpness_aware(objective, samples, schedule, rho=0.3, initial_weights=start)
    assert torch.equal(found.weights, start)


def test_other_methods_take_it_as_what_was_learned():
    case = CASES[0]
    objective = ul.Objective(case.model, l2=0.5)
    found = train_sharpness_aware(objective, case.data.train, SCHEDULE, rho=0.1)
    moved = ul.newton_step(found, [1, 4]).weights
    assert moved.shape == found.weights.shape
    assert not torch.equal(moved, found.weights)


def test_bad_values_are_refused_and_the_model_is_left_alone():
    case = CASES[1]
    objective = ul.Objective(case.model)
    before = objective.initial_weights
    for rho in (-0.1, float("nan"), float("inf"), "0.1", None):
        with pytest.raises(ValueError, match="rho: expected a finite number of at least 0"):
            train_sharpness_aware(objective, case.data.train, SCHEDULE, rho=rho)
    with pytest.raises(ValueError, match="initial_weights: expected a tensor of shape"):
        train_sharpness_aware(
            objective, case.data.train, SCHEDULE, rho=0.1, initial_weights=before[1:]
        )
    other = random_data(shape=(1, 3, 3)).train
    with pytest.raises(ValueError, match="samples: expected inputs that fit the model"):
        train_sharpness_aware(objective, other, SCHEDULE, rho=0.1)
    with pytest.raises(ValueError, match="steps along which the loss stays finite"):
        train_sharpness_aware(
            objective, case.data.train, replace(SCHEDULE, step_size=1e200), rho=0.1
        )
    assert torch.equal(objective.initial_weights, before)
