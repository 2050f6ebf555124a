"""Batch order and step sizes."""

import pytest
import torch
from torch.utils.data import DataLoader

import unlearning as ul


@pytest.mark.parametrize("epochs", [1, 3])
def test_order_is_the_one_a_data_loader_draws(epochs):
    with torch.random.fork_rng():
        torch.manual_seed(7)
        loader = DataLoader(torch.arange(11), batch_size=4, shuffle=True)
        expected = [batch.tolist() for _ in range(epochs) for batch in loader]
    schedule = ul.Schedule(0.1, batch_size=4, epochs=epochs, seed=7)
    assert [batch.tolist() for batch in schedule.batches(11)] == expected


def test_without_reshuffling_every_epoch_repeats_the_first():
    schedule = ul.Schedule(0.1, batch_size=4, epochs=3, seed=7, reshuffle=False)
    batches = [batch.tolist() for batch in schedule.batches(11)]
    assert batches[:3] == batches[3:6] == batches[6:]
    assert [len(b) for b in batches[:3]] == [4, 4, 3]
    assert sorted(i for batch in batches[:3] for i in batch) == list(range(11))


def test_the_global_generator_is_left_alone():
    state = torch.get_rng_state()
    ul.Schedule(0.1, batch_size=4, epochs=2).batches(11)
    assert torch.equal(torch.get_rng_state(), state)


def test_step_sizes_decay_every_step():
    assert ul.Schedule(0.5, decay=0.9).step_sizes(3) == pytest.approx([0.5, 0.45, 0.405])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"step_size": 0}, "step_size: expected a finite number above 0, got 0"),
        ({"step_size": float("inf")}, "step_size: .*got inf"),
        ({"step_size": 0.1, "decay": 1.1}, "decay: expected a factor of at most 1, got 1.1"),
        ({"step_size": 0.1, "decay": 0.0}, "decay: expected a finite number above 0"),
        (
            {"step_size": 0.1, "batch_size": 0},
            "batch_size: expected an integer of at least 1, got 0",
        ),
        ({"step_size": 0.1, "epochs": 0}, "epochs: expected an integer of at least 1, got 0"),
        ({"step_size": 0.1, "clip": -1.0}, "clip: expected a finite number above 0, got -1.0"),
        ({"step_size": 0.1, "clip": float("nan")}, "clip: .*got nan"),
        ({"step_size": 0.1, "seed": 0.5}, "seed: expected an integer"),
        ({"step_size": 0.1, "seed": 2**64}, "seed: expected an integer from 0 to 1844.*615, got"),
        ({"step_size": 0.1, "reshuffle": "no"}, "reshuffle: expected True or False, got 'no'"),
        ({"step_size": 0.1, "reshuffle": 1}, "reshuffle: expected True or False, got 1"),
        ({"step_size": "0.1"}, "step_size: expected a finite number above 0, got '0.1'"),
        ({"step_size": True}, "step_size: expected a finite number above 0, got True"),
        ({"step_size": 0.1, "decay": None}, "decay: expected a finite number above 0, got None"),
        ({"step_size": 0.1, "batch_size": 8.0}, "batch_size: expected an integer .*got 8.0"),
        ({"step_size": 0.1, "epochs": "2"}, "epochs: expected an integer .*got '2'"),
        ({"step_size": 0.1, "clip": "1"}, "clip: expected a finite number above 0, got '1'"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        ul.Schedule(**arguments)


def test_the_largest_seed_draws_an_order():
    (batch,) = ul.Schedule(0.1, batch_size=5, seed=2**64 - 1).batches(5)
    assert sorted(batch.tolist()) == list(range(5))


def test_batch_size_over_n_is_refused():
    with pytest.raises(ValueError, match="batch_size: expected an integer from 1 to 11 .*got 12"):
        ul.Schedule(0.1, batch_size=12).batches(11)
