"""Relearning against plain loops, and its summaries against curves with a known answer."""

import pytest
import torch
from torch import nn

import unlearning as ul
from unlearning.attacks.relearning import Curve, area_between, relapse, relearn


def problem():
    generator = torch.Generator().manual_seed(2)
    inputs = torch.randn(11, 3, generator=generator, dtype=torch.float64)
    torch.manual_seed(0)
    objective = ul.Objective(nn.Linear(3, 2).double(), l2=0.2)
    return objective, ul.Samples(inputs, (inputs[:, 0] > 0).long())


OBJECTIVE, SAMPLES = problem()
SCHEDULE = ul.Schedule(0.3, 0.9, 4, 2, seed=1)


def by_hand(weights):
    """The weights after each step, with torch.optim."""
    model = OBJECTIVE.module(weights).requires_grad_(True)
    optimiser = torch.optim.SGD(model.parameters(), lr=1.0, weight_decay=0.2)
    found = [weights]
    for t, batch in enumerate(SCHEDULE.batches(11)):
        optimiser.param_groups[0]["lr"] = 0.3 * 0.9**t
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(model(SAMPLES.inputs[batch]), SAMPLES.labels[batch])
        loss.backward()
        optimiser.step()
        found.append(nn.utils.parameters_to_vector(model.parameters()).detach().clone())
    return found


def test_curve_is_measured_along_the_training():
    start = OBJECTIVE.initial_weights + 0.5
    expected = [float(w.norm()) for w in by_hand(start)]
    every = relearn(OBJECTIVE, start, SAMPLES, SCHEDULE, torch.linalg.vector_norm)
    assert every.steps == list(range(7))
    assert every.values == pytest.approx(expected, rel=1e-12)
    some = relearn(OBJECTIVE, start, SAMPLES, SCHEDULE, torch.linalg.vector_norm, every=4)
    assert some.steps == [0, 4, 6]
    assert some.values == pytest.approx([expected[t] for t in some.steps], rel=1e-12)


def test_area_and_relapse():
    reference = Curve([0, 2, 6], [0.0, 0.0, 1.0])
    faster = Curve([0, 2, 6], [0.0, 1.0, 1.0])
    assert area_between(faster, reference) == pytest.approx((1 + 2) / 6)
    assert area_between(reference, faster) == pytest.approx(-0.5)
    assert [relapse(c, 0.9) for c in (faster, reference)] == [2, 6]
    assert relapse(faster, 1.5) is None


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c: area_between(c, Curve([0, 1], [0.0, 0.0])), "reference"),
        (lambda c: area_between(Curve([0], [1.0]), Curve([0], [1.0])), "reference"),
        (lambda c: relapse(c, float("nan")), "level"),
        (
            lambda c: relearn(
                OBJECTIVE, OBJECTIVE.initial_weights, SAMPLES, SCHEDULE, float, every=0
            ),
            "every",
        ),
    ],
)
def test_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(Curve([0, 2], [0.0, 1.0]))
