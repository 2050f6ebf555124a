"""Many retrainings at once, against one after another and against autodiff alone."""

import pytest
import torch

import unlearning as ul
from tests.cases import cases, random_data, unrolled
from unlearning.training.ensemble import retrain_many

LOGISTIC, NETWORK, _ = cases()
SETS = [[2, 7, 12], [0], [5], list(range(12))]


def one_by_one(run, sets, **how):
    return torch.stack([ul.retrain(run, members, **how) for members in sets])


@pytest.mark.parametrize("convention", ul.CONVENTIONS)
@pytest.mark.parametrize("clip", [False, True])
@pytest.mark.filterwarnings("ignore:R1")
def test_equals_one_retraining_after_another(convention, clip):
    run = LOGISTIC.run(clip=clip)
    assert clip == any(factor < 1 for factor in run.clip_factors)
    expected = one_by_one(run, SETS, convention=convention)
    for chunk in (None, 1, 3):
        found = retrain_many(run, SETS, convention=convention, chunk=chunk)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("convention", ul.CONVENTIONS)
def test_equals_the_run_in_which_the_deleted_samples_weigh_nothing(convention):
    run, share = LOGISTIC.run(clip=False), torch.ones(13, dtype=torch.float64)
    share[SETS[0]] = 0
    (found,) = retrain_many(run, SETS[:1], convention=convention)
    expected = unrolled(run, share, convention)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("convention", ul.CONVENTIONS)
@pytest.mark.filterwarnings("ignore:R1")
def test_a_batch_deleted_whole(convention):
    run = LOGISTIC.run(clip=False)
    sets = [[i for i in range(13) if i in set(batch.tolist())] for batch in run.batches[:3]]
    expected = one_by_one(run, sets, convention=convention)
    found = retrain_many(run, sets, convention=convention)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


def test_it_is_said_that_a_step_was_left_out():
    run = LOGISTIC.run(clip=False)
    with pytest.warns(UserWarning, match="R1: a batch was deleted whole"):
        retrain_many(run, [run.batches[0].tolist()], convention="R1")


def test_without_a_bias_and_in_single_precision():
    data = random_data()
    plain = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 3, bias=False))
    samples = data.train.to(torch.float32)
    run = ul.train(ul.Objective(plain, l2=0.1), samples, ul.Schedule(0.3, batch_size=5, epochs=2))
    found = retrain_many(run, SETS)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, one_by_one(run, SETS), rtol=0, atol=1e-5)


def test_what_does_not_fit_is_refused():
    run = LOGISTIC.run(clip=False)
    with pytest.raises(ValueError, match="run: expected one linear layer .* got a layer Linear"):
        retrain_many(NETWORK.run(clip=False), SETS)
    with pytest.raises(ValueError, match="sets: expected at least one set"):
        retrain_many(run, [])
    with pytest.raises(ValueError, match="sets: expected an integer from 0 to 12"):
        retrain_many(run, [[1], [13]])
    with pytest.raises(ValueError, match="convention: expected one of"):
        retrain_many(run, SETS, convention="R4")
    with pytest.raises(ValueError, match="chunk: expected an integer of at least 1"):
        retrain_many(run, SETS, chunk=0)


def test_weights_that_overflow_are_refused():
    far = LOGISTIC.run(clip=False, epochs=1)
    far.step_sizes[:] = [1e200] * len(far)
    with pytest.raises(ValueError, match="step_size: expected steps along which the weights stay"):
        retrain_many(far, SETS[:1])
