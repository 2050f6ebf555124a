"""SISA against models trained one by one, and against training again from nothing."""

import pytest
import torch
from torch import nn

import unlearning as ul
from unlearning.baselines.sisa import train_shards


def problem(n=23):
    generator = torch.Generator().manual_seed(5)
    inputs = torch.randn(n, 4, generator=generator, dtype=torch.float64)
    samples = ul.Samples(inputs, torch.arange(n) % 3)
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    return ul.Objective(model, l2=0.1), samples, ul.Schedule(0.2, 0.9, 6, 3, seed=7)


OBJECTIVE, SAMPLES, SCHEDULE = problem()
LEARNED = train_shards(OBJECTIVE, SAMPLES, SCHEDULE, shards=4)


def other(rows):
    """Other versions of some rows."""
    return ul.Samples(SAMPLES.inputs[rows] + 1.0, (SAMPLES.labels[rows] + 1) % 3)


def test_shards_divide_the_samples():
    assert sorted(i for part in LEARNED.parts for i in part) == list(range(23))
    assert sorted(len(part) for part in LEARNED.parts) == [5, 6, 6, 6]
    assert LEARNED.trained == 4
    again = train_shards(OBJECTIVE, SAMPLES, SCHEDULE, shards=4)
    assert again.parts == LEARNED.parts
    assert torch.equal(again.weights, LEARNED.weights)


def test_one_shard_is_one_run():
    whole = train_shards(OBJECTIVE, SAMPLES, SCHEDULE, shards=1)
    run = ul.train(OBJECTIVE, SAMPLES, SCHEDULE)
    assert torch.equal(whole.weights[0], run.weights)
    expected = run.objective.module(run.weights)(SAMPLES.inputs).log_softmax(1)
    torch.testing.assert_close(whole.log_probabilities(SAMPLES.inputs), expected)


def test_answer_is_the_mean_of_probabilities():
    models = [OBJECTIVE.module(w) for w in LEARNED.weights]
    mean = sum(model(SAMPLES.inputs).softmax(1) for model in models) / 4
    torch.testing.assert_close(
        LEARNED.log_probabilities(SAMPLES.inputs).exp(), mean, rtol=0, atol=1e-12
    )


def test_a_correction_is_training_on_the_corrected_data():
    rows = [LEARNED.parts[1][0], LEARNED.parts[3][2]]
    corrected = LEARNED.correct(rows, other(rows))
    inputs, labels = SAMPLES.inputs.clone(), SAMPLES.labels.clone()
    inputs[rows], labels[rows] = other(rows).inputs, other(rows).labels
    fresh = train_shards(OBJECTIVE, ul.Samples(inputs, labels), SCHEDULE, shards=4)
    assert torch.equal(corrected.weights, fresh.weights)
    assert corrected.trained == 2
    assert torch.equal(corrected.weights[[0, 2]], LEARNED.weights[[0, 2]])
    assert not torch.equal(corrected.weights[1], LEARNED.weights[1])


def test_dropped_rows_leave_their_shard():
    row = LEARNED.parts[2][1]
    corrected = LEARNED.correct([row], None)
    left = [i for i in LEARNED.parts[2] if i != row]
    schedule = ul.Schedule(0.2, 0.9, len(left), 3, seed=7)
    expected = ul.train(OBJECTIVE, SAMPLES[left], schedule).weights
    assert corrected.parts[2] == left
    assert corrected.trained == 1
    assert torch.equal(corrected.weights[2], expected)
    assert torch.equal(corrected.samples.inputs, SAMPLES.inputs)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: train_shards(OBJECTIVE, SAMPLES, SCHEDULE, shards=0), "shards"),
        (lambda: train_shards(OBJECTIVE, SAMPLES, SCHEDULE, shards=24), "shards"),
        (lambda: LEARNED.correct([1, 1], other([1, 1])), "rows"),
        (lambda: LEARNED.correct([23], None), "rows"),
        (lambda: LEARNED.correct([1, 2], other([1])), "corrected"),
        (lambda: LEARNED.correct(LEARNED.parts[0], None), "a shard dropped whole"),
    ],
)
def test_refused(call, message):
    kept = LEARNED.weights.clone()
    with pytest.raises(ValueError, match=message):
        call()
    assert torch.equal(LEARNED.weights, kept)


def test_another_loss_is_refused():
    objective = ul.Objective(nn.Linear(4, 1).double(), loss="squared")
    with pytest.raises(ValueError, match="objective"):
        train_shards(objective, SAMPLES, SCHEDULE, shards=2)
