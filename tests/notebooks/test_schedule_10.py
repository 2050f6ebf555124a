"""The published step-size figure, digitised, against the released recursion run here."""

import pytest

import unlearning as ul
from tests.notebooks.schedule_rows import digitised

POINTS = digitised()


def test_there_are_seventeen_points_in_order():
    assert len(POINTS) == 17
    assert POINTS.index.is_monotonic_increasing
    assert bool(((POINTS["accuracy"] * 4) % 1 == 0).all())  # of 400 test rows


@pytest.mark.mnist
@pytest.mark.parametrize("step_size", [0.01, 0.05, 0.26])
def test_as_released_it_is_where_the_figure_has_it(step_size, tmp_path, monkeypatch):
    monkeypatch.setenv("UNLEARNING_CACHE", str(tmp_path))
    data = ul.load("mnist", seed=42, n_train=1000)
    objective = ul.Objective(ul.models.logistic(data, seed=42), l2=0.5)
    schedule = ul.Schedule(step_size, 0.995, 32, epochs=15, clip=5.0, seed=42, reshuffle=False)
    run = ul.train(objective, data.train, schedule)
    forgotten = ul.draw_forget_set(1000, 50, seed=42)
    retrained = ul.retrain(run, forgotten, convention="R1")
    vectors = ul.recollect(run, sets=[forgotten], quirks=ul.AS_RELEASED)
    distance = ul.distance(run.weights + vectors.vectors[0], retrained)
    assert distance == pytest.approx(POINTS.loc[step_size, "distance"], abs=0.005)
    learned = 100 * objective.accuracy(run.weights, data.test)
    assert learned == pytest.approx(POINTS.loc[step_size, "accuracy"], abs=1.0)
