"""The perturbation floor."""

import pytest
import torch

import unlearning as ul
from tests.cases import SCHEDULE, cases
from unlearning.training.perturbed import perturbed

CASES = cases()


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_it_is_the_run_from_a_start_that_has_moved(case):
    run = case.run(clip=True)
    expected = ul.train(
        run.objective, run.samples, run.schedule, initial_weights=run.initial_weights + 1e-3
    )
    assert torch.equal(perturbed(run, amount=1e-3), expected.weights)


def test_a_convex_run_forgets_its_start():
    """Gradient steps on a smooth convex objective bring two starts closer, whatever the batches."""
    run = CASES[0].run(clip=False, l2=1.0)
    moved = 1e-7 * run.objective.dimension**0.5
    assert 0 < ul.distance(perturbed(run), run.weights) < moved


def test_a_start_that_would_not_move_is_refused():
    data = CASES[0].data
    model = ul.models.logistic(data).float()
    run = ul.train(ul.Objective(model), data.train.to(torch.float32), SCHEDULE)
    with pytest.raises(ValueError, match="amount: expected a number that moves weights of torch.f"):
        perturbed(run, amount=1e-12)
    with pytest.raises(ValueError, match="amount: expected a finite number, got inf"):
        perturbed(run, amount=float("inf"))
