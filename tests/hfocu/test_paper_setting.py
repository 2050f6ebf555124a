"""MNIST in the paper's setting, against an independent measurement of the released code's numbers.

The expected distances were measured with another implementation of the released recursion
(logistic regression, n = 1000, seed 42, one batch order for all epochs, distance to R1).
"""

import pytest

import unlearning as ul


def share_of_long_gradients(run):
    """How many of all uses of a sample have a gradient, penalty included, longer than the clip."""
    longer = 0
    for t, batch in enumerate(run.batches):
        w, rows = run.weights_at(t), run.samples[batch]
        each = run.objective.sample_gradients(w, rows.inputs, rows.labels) + run.objective.l2 * w
        longer += int((each.norm(dim=1) > run.schedule.clip).sum())
    return longer / sum(len(batch) for batch in run.batches)


@pytest.mark.mnist
def test_do_nothing_and_the_released_recursion_land_where_they_were_measured(tmp_path, monkeypatch):
    monkeypatch.setenv("UNLEARNING_CACHE", str(tmp_path))
    data = ul.load("mnist", seed=42, n_train=1000)
    objective = ul.Objective(ul.models.logistic(data, seed=42), l2=0.5)
    schedule = ul.Schedule(0.05, 0.995, 32, epochs=15, clip=5.0, seed=42, reshuffle=False)
    run = ul.train(objective, data.train, schedule)
    assert objective.accuracy(run.weights, data.test) == pytest.approx(0.875, abs=0.01)
    # chapter 09: the batch clip is active in a handful of steps, most single gradients exceed C
    assert sum(factor < 1 for factor in run.clip_factors) == 6
    assert share_of_long_gradients(run) > 0.5
    forgotten = ul.draw_forget_set(1000, 50, seed=42)
    retrained = ul.retrain(run, forgotten, convention="R1")
    assert ul.distance(run.weights, retrained) == pytest.approx(0.0837, rel=0.1)

    released = ul.recollect(run, sets=[forgotten], quirks=ul.AS_RELEASED)
    unlearned = ul.forget(run, released, forgotten)
    assert ul.distance(unlearned, retrained) == pytest.approx(0.0639, rel=0.1)

    matched = ul.recollect(run, sets=[forgotten], convention="R1")
    unlearned = ul.forget(run, matched, forgotten)
    assert ul.distance(unlearned, retrained) < 0.25 * ul.distance(run.weights, retrained)
