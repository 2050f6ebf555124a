"""MNIST in the paper's setting, against an independent measurement of the released code's numbers.

The expected distances were measured with another implementation of the released recursion
(logistic regression, n = 1000, seed 42, one batch order for all epochs, distance to R1).
"""

import pytest

import unlearning as ul


@pytest.mark.mnist
def test_do_nothing_and_the_released_recursion_land_where_they_were_measured(tmp_path, monkeypatch):
    monkeypatch.setenv("UNLEARNING_CACHE", str(tmp_path))
    data = ul.load("mnist", seed=42, n_train=1000)
    objective = ul.Objective(ul.models.logistic(data, seed=42), l2=0.5)
    schedule = ul.Schedule(0.05, 0.995, 32, epochs=15, clip=5.0, seed=42, reshuffle=False)
    run = ul.train(objective, data.train, schedule)
    assert objective.accuracy(run.weights, data.test) == pytest.approx(0.875, abs=0.01)
    forgotten = ul.draw_forget_set(1000, 50, seed=42)
    retrained = ul.retrain(run, forgotten, convention="R1")
    assert ul.distance(run.weights, retrained) == pytest.approx(0.0837, rel=0.1)

    released = ul.recollect(run, sets=[forgotten], quirks=ul.AS_RELEASED)
    unlearned = ul.forget(run, released, forgotten)
    assert ul.distance(unlearned, retrained) == pytest.approx(0.0639, rel=0.1)

    matched = ul.recollect(run, sets=[forgotten], convention="R1")
    unlearned = ul.forget(run, matched, forgotten)
    assert ul.distance(unlearned, retrained) < 0.25 * ul.distance(run.weights, retrained)
