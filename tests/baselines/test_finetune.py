"""Fine-tuning and NegGrad against loops written with torch.optim."""

import math
import re

import pytest
import torch
from torch import nn

import unlearning as ul
from tests.cases import cases
from unlearning.baselines.finetune import fine_tune, neg_grad

CASES = cases()
GONE = [2, 7, 12]
each_case = pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)


def by_torch(run, rows, batches, step_sizes, loss_weight, penalty, clip):
    """SGD on ``loss_weight`` times the mean batch loss plus ``penalty/2 |w|^2``."""
    model = run.objective.module(run.weights).requires_grad_(True)
    parameters = list(model.parameters())
    optimiser = torch.optim.SGD(parameters, lr=1.0)
    samples = run.samples[rows]
    for batch, eta in zip(batches, step_sizes, strict=True):
        optimiser.param_groups[0]["lr"] = eta
        optimiser.zero_grad()
        loss = nn.functional.cross_entropy(model(samples.inputs[batch]), samples.labels[batch])
        squares = sum(parameter.square().sum() for parameter in parameters)
        (loss_weight * loss + penalty / 2 * squares).backward()
        if clip is not None:
            gradient = nn.utils.parameters_to_vector([p.grad for p in parameters])
            for parameter in parameters:
                parameter.grad *= min(1.0, clip / float(gradient.norm()))
        optimiser.step()
    return nn.utils.parameters_to_vector(parameters).detach()


def kept(run):
    return [i for i in range(len(run.samples)) if i not in GONE]


@each_case
@pytest.mark.parametrize("convention", ul.CONVENTIONS)
@pytest.mark.parametrize("quirks", [(), ("restarted_decay",)], ids=str)
def test_fine_tuning(case, convention, quirks):
    run = case.run(clip=True, decay=0.8, batch_size=4)
    schedule = ul.Schedule(0.3, 0.8, batch_size=4, epochs=3, clip=case.clip, seed=3)
    batches = schedule.batches(10)
    assert [len(batch) for batch in batches[:3]] == [4, 4, 2]
    numbers = [t % 3 if quirks else t for t in range(len(batches))]
    share = {"R1": (1, 1), "R2": (10 / 13, 10 / 13), "R3": (10 / 13, 1)}[convention]
    expected = by_torch(
        run, kept(run), batches, [0.3 * 0.8**t for t in numbers],
        share[0], share[1] * run.objective.l2, case.clip,
    )  # fmt: skip
    found = fine_tune(run, GONE, convention=convention, epochs=3, quirks=quirks)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    assert ul.distance(found, run.weights) > 1e-2


def test_as_released_it_makes_fifteen_epochs():
    run = CASES[0].run(clip=False)
    how = {"convention": "R1", "quirks": ["restarted_decay"]}
    assert torch.equal(fine_tune(run, GONE, **how), fine_tune(run, GONE, epochs=15, **how))


def test_its_schedule_can_be_changed():
    run = CASES[0].run(clip=False)
    changed = ul.Schedule(0.1, 1.0, batch_size=10, epochs=2, seed=8)
    batches = changed.batches(10)
    expected = by_torch(run, kept(run), batches, [0.1, 0.1], 1, run.objective.l2, None)
    # more than there are: all of them in one batch
    changes = {"step_size": 0.1, "decay": 1.0, "batch_size": 50, "seed": 8}
    found = fine_tune(run, GONE, convention="R1", epochs=2, **changes)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@each_case
@pytest.mark.parametrize("quirks", [(), ("ascended_penalty",)], ids=str)
def test_neg_grad(case, quirks):
    run = case.run(clip=True)
    batches = ul.Schedule(1.0, batch_size=2, epochs=4, seed=3).batches(3)
    penalty = -run.objective.l2 if quirks else 0.0
    expected = by_torch(run, GONE, batches, [0.2] * 8, -1, penalty, None)
    found = neg_grad(run, GONE, epochs=4, batch_size=2, step_size=0.2, quirks=quirks)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    forgotten = run.samples[GONE]
    before, after = (run.objective.losses(w, forgotten).mean() for w in (run.weights, found))
    assert after > before


def test_neg_grad_as_released():
    """Two epochs in batches of 50, at a tenth of the step size, however large the gradient."""
    run = CASES[0].run(clip=True, decay=0.5)
    assert math.isclose(run.step_sizes[0], 0.3)
    expected = by_torch(run, GONE, [torch.arange(3)] * 2, [0.03] * 2, -1, -run.objective.l2, None)
    found = neg_grad(run, GONE, quirks=["ascended_penalty"])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


BAD = {
    "forget: expected each sample once, got sample 2 more than once": {"forget": [2, 2]},
    "quirks: expected a list of names out of": {"quirks": "restarted_decay"},
    "quirks: expected one of": {"quirks": ["dropout"]},
    "epochs: expected an integer of at least 1, got 0": {"epochs": 0},
    "batch_size: expected an integer of at least 1, got 0": {"batch_size": 0},
    "step_size: expected a finite number above 0, got -1": {"step_size": -1},
}


@pytest.mark.parametrize("method", [fine_tune, neg_grad])
@pytest.mark.parametrize("message", BAD)
def test_bad_requests(method, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        method(CASES[0].run(clip=False), **{"forget": GONE} | BAD[message])


def test_bad_fine_tuning():
    run = CASES[0].run(clip=False)
    with pytest.raises(ValueError, match="convention: expected one of R1, R2, R3, got 'R4'"):
        fine_tune(run, GONE, convention="R4")
    with pytest.raises(ValueError, match="changes: expected one of step_size, decay, .* got 'lr'"):
        fine_tune(run, GONE, lr=0.1)
    with pytest.raises(ValueError, match="step_size: expected steps along which the loss stays fi"):
        fine_tune(run, GONE, step_size=1e200)
