"""Training against torch.optim.SGD with torch's own clipping."""

import pytest
import torch
from torch import nn

import unlearning as ul
from tests.cases import cases, random_data

CASES = cases()


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
@pytest.mark.parametrize("clip", [False, True])
def test_same_path_as_torch_optim(case, clip):
    run = case.run(clip=clip, epochs=3)
    module = run.objective.module(run.initial_weights).requires_grad_(True)
    optimiser = torch.optim.SGD(module.parameters(), lr=run.schedule.step_size)
    decay = torch.optim.lr_scheduler.StepLR(optimiser, 1, run.schedule.decay)
    for t, batch in enumerate(run.batches):
        flat = nn.utils.parameters_to_vector(module.parameters()).detach()
        torch.testing.assert_close(run.weights_at(t), flat, rtol=0, atol=1e-6)
        optimiser.zero_grad()
        loss = nn.CrossEntropyLoss()(module(run.samples.inputs[batch]), run.samples.labels[batch])
        loss = loss + run.objective.l2 / 2 * sum(p.square().sum() for p in module.parameters())
        loss.backward()
        if clip:  # torch divides by the norm plus 1e-6, hence the tolerance
            nn.utils.clip_grad_norm_(module.parameters(), run.schedule.clip)
        optimiser.step()
        decay.step()
    flat = nn.utils.parameters_to_vector(module.parameters()).detach()
    torch.testing.assert_close(run.weights, flat, rtol=0, atol=1e-6)
    assert ul.distance(run.weights, run.initial_weights) > 0.1


def test_clip_factors_say_where_the_clip_was_active():
    run = CASES[0].run(clip=True)
    for t, batch in enumerate(run.batches):
        w = run.weights_at(t)
        inputs, labels = run.samples.inputs[batch], run.samples.labels[batch]
        norm = float((run.objective.gradient(w, inputs, labels) + run.objective.l2 * w).norm())
        assert run.clip_factors[t] == pytest.approx(min(1.0, run.schedule.clip / norm))
    assert 1.0 in run.clip_factors
    assert min(run.clip_factors) < 1


def test_runs_repeat_bit_for_bit_and_remember_copies():
    a, b = CASES[0].run(clip=False), CASES[0].run(clip=False)
    assert torch.equal(a.trajectory, b.trajectory)
    assert a.fingerprint == b.fingerprint
    a.weights.zero_()
    a.weights_at(0).zero_()
    assert torch.equal(a.trajectory, b.trajectory)


def test_fingerprint_tells_runs_apart():
    prints = {
        CASES[0].run(clip=False).fingerprint,
        CASES[0].run(clip=True).fingerprint,
        CASES[0].run(clip=False, seed=9).fingerprint,
        CASES[0].run(clip=False, l2=0.2).fingerprint,
        CASES[1].run(clip=False).fingerprint,
    }
    assert len(prints) == 5


def test_initial_weights_can_be_given():
    run = CASES[0].run(clip=False)
    start = run.initial_weights + 1e-7
    moved = ul.train(run.objective, run.samples, run.schedule, initial_weights=start)
    assert torch.equal(moved.initial_weights, start)
    assert 0 < ul.distance(moved.weights, run.weights) < 1e-5


@pytest.mark.parametrize(
    ("start", "given"),
    [
        (torch.zeros(3).double(), r"shape \[3\]"),
        (torch.zeros(51), r"shape \[51\], torch.float32"),
        ([0.0] * 51, "list"),
    ],
)
def test_initial_weights_that_do_not_fit_are_refused(start, given):
    run = CASES[0].run(clip=False, epochs=1)
    message = rf"initial_weights: expected a tensor of shape \[51\], torch.float64 .*got {given}"
    with pytest.raises(ValueError, match=message):
        ul.train(run.objective, run.samples, run.schedule, initial_weights=start)


def test_weights_at_checks_the_step():
    run = CASES[0].run(clip=False)
    assert torch.equal(run.weights_at(len(run)), run.weights)
    with pytest.raises(ValueError, match="t: expected an integer from 0 to 6, got 7"):
        run.weights_at(7)


def test_a_diverging_run_names_the_step():
    data = random_data(shape=(3,))
    samples = ul.Samples(data.train.inputs, data.train.inputs.sum(1))
    objective = ul.Objective(nn.Linear(3, 1).double(), loss="squared")
    with pytest.raises(ValueError, match=r"step_size: .*finite, got .* at step \d+ of 26 "):
        ul.train(objective, samples, ul.Schedule(1e30, batch_size=1, epochs=2))
