"""Deleting by addition: exact sums, and refusing what does not fit."""

import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import unlearning as ul
from tests.cases import cases

CASE = cases()[0]
RUN = CASE.run(clip=True, epochs=1)
EACH = ul.recollect(RUN)


@given(members=st.lists(st.integers(0, 12), min_size=2, max_size=12, unique=True))
@settings(max_examples=25, deadline=None)
def test_order_cannot_change_a_bit(members):
    shuffled = random.Random(0).sample(members, len(members))
    assert torch.equal(ul.forget(RUN, EACH, members), ul.forget(RUN, EACH, shuffled))


def test_it_is_the_learned_weights_plus_the_approximators():
    expected = RUN.weights + EACH.vectors[[2, 5]].sum(0)
    torch.testing.assert_close(ul.forget(RUN, EACH, [5, 2]), expected, rtol=0, atol=1e-11)


def test_single_precision_runs_give_single_precision_weights():
    data = ul.load("wine", seed=0, n_train=40)
    run = ul.train(ul.Objective(ul.models.logistic(data)), data.train, ul.Schedule(0.1, epochs=2))
    unlearned = ul.forget(run, ul.recollect(run), [0, 1])
    assert unlearned.dtype == torch.float32 == run.weights.dtype


def test_sets_answer_for_themselves_only():
    per_set = ul.recollect(RUN, sets=[[4], [2, 5]])
    torch.testing.assert_close(
        ul.forget(RUN, per_set, [5, 2]), ul.forget(RUN, EACH, [2, 5]), rtol=0, atol=1e-11
    )
    with pytest.raises(ValueError, match=r"samples: expected one of the 2 recollected sets"):
        ul.forget(RUN, per_set, [2])


def test_approximators_of_another_run_are_refused():
    other = CASE.run(clip=True, epochs=1, seed=4)
    with pytest.raises(
        ValueError, match=f"approximators: .*{other.fingerprint}.*{RUN.fingerprint}"
    ):
        ul.forget(other, EACH, [1])


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ([], "samples: expected at least one sample, got an empty list"),
        ([13], "samples: expected an integer from 0 to 12 .a sample., got 13"),
        ([-1], "samples: expected an integer from 0 to 12 .a sample., got -1"),
        ([1.5], "got 1.5"),
        ([True], "got True"),
        (["3"], "got '3'"),
        (3, "samples: expected a list of sample numbers, got 3"),
        ("3", "samples: expected a list of sample numbers, got '3'"),
        ([3, 4, 3], "samples: expected each sample once, got sample 3 more than once"),
        (list(range(13)), "samples: expected fewer than all 13 samples"),
    ],
)
def test_bad_forget_sets_are_refused(samples, message):
    before = EACH.vectors.clone()
    with pytest.raises(ValueError, match=message):
        ul.forget(RUN, EACH, samples)
    with pytest.raises(ValueError, match=message.replace("samples: expected", "forget: expected")):
        ul.retrain(RUN, samples)
    assert torch.equal(EACH.vectors, before)


def test_what_is_no_run_and_what_are_no_approximators_is_named():
    run = cases()[0].run(clip=False, epochs=1)
    with pytest.raises(ValueError, match="run: expected an unlearning.Run"):
        ul.forget(3, None, [1])
    with pytest.raises(ValueError, match="approximators: expected those that recollect gives"):
        ul.forget(run, run, [1])
