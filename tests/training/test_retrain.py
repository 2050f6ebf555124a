"""Retraining against each convention's own definition."""

import pytest
import torch

import unlearning as ul
from tests.cases import cases, unrolled

CASES = cases()


@pytest.mark.parametrize("convention", ul.CONVENTIONS)
@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_equals_the_run_in_which_the_deleted_samples_weigh_nothing(case, convention):
    run = case.run(clip=False)
    share = torch.ones(len(run.samples), dtype=torch.float64)
    share[[2, 7, 12]] = 0
    expected = unrolled(run, share, convention)
    retrained = ul.retrain(run, [12, 2, 7], convention=convention)
    torch.testing.assert_close(retrained, expected, rtol=0, atol=1e-12)
    assert ul.distance(run.weights, retrained) > 1e-3


def test_the_conventions_differ():
    run = CASES[0].run(clip=False)
    ends = [ul.retrain(run, [2, 7], convention=c) for c in ul.CONVENTIONS]
    assert min(ul.distance(a, b) for a in ends for b in ends if a is not b) > 1e-4


def test_clipping_applies_to_the_retrained_batch_gradient():
    run = CASES[0].run(clip=True)
    forgotten, w = [2, 7], run.initial_weights
    for t, batch in enumerate(run.batches):
        kept = torch.tensor([i for i in batch.tolist() if i not in forgotten])
        inputs, labels = run.samples.inputs[kept], run.samples.labels[kept]
        g = run.objective.gradient(w, inputs, labels) + run.objective.l2 * w
        w = w - run.step_sizes[t] * min(1.0, run.schedule.clip / float(g.norm())) * g
    torch.testing.assert_close(ul.retrain(run, forgotten, convention="R1"), w, rtol=0, atol=1e-12)


def test_a_batch_deleted_whole():
    """R1 leaves the step out with a warning, R2 leaves it out, R3 shrinks the weights."""
    run = CASES[0].run(clip=False, epochs=1, batch_size=5)
    last = run.batches[-1].tolist()
    before = run.weights_at(2)
    with pytest.warns(UserWarning, match="R1: a batch was deleted whole"):
        assert torch.equal(ul.retrain(run, last, convention="R1"), before)
    assert torch.equal(ul.retrain(run, last, convention="R2"), before)
    shrunk = before * (1 - run.step_sizes[2] * run.objective.l2)
    torch.testing.assert_close(ul.retrain(run, last, convention="R3"), shrunk, rtol=0, atol=1e-14)


def test_another_batch_order():
    run = CASES[0].run(clip=False)
    same = ul.retrain(run, [3], batch_seed=run.schedule.seed)
    assert torch.equal(same, ul.retrain(run, [3]))
    assert ul.distance(ul.retrain(run, [3], batch_seed=99), same) > 1e-3


def test_unknown_convention():
    with pytest.raises(ValueError, match="convention: expected one of R1, R2, R3, got 'r1'"):
        ul.retrain(CASES[0].run(clip=False), [1], convention="r1")
