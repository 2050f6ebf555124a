"""Sets that are picked to do damage, against every set there is."""

import itertools

import pytest
import torch

import unlearning as ul
from unlearning.baselines.prepared import Prepared
from unlearning.hfocu.hard_sets import hard_sets, lined_up
from unlearning.problem.known_risk import KnownRisk


def length(vectors, rows, away):
    return float((away + vectors[list(rows)].sum(0)).norm())


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("m", [1, 3, 6])
def test_lined_up_comes_close_to_the_best_of_all_sets(seed, m):
    generator = torch.Generator().manual_seed(seed)
    vectors = torch.randn(12, 3, generator=generator, dtype=torch.float64)
    away = torch.randn(3, generator=generator, dtype=torch.float64)
    found = lined_up(vectors, m, away=away, starts=10)
    assert len(set(found)) == m
    most = max(length(vectors, s, away) for s in itertools.combinations(range(12), m))
    assert length(vectors, found, away) == pytest.approx(most, rel=0.02)


def test_each_rule_does_what_its_name_says():
    problem, n, m = KnownRisk("squared", 4, 0.2, 1.5, 0.5), 60, 6
    samples = problem.draw(n, seed=0)
    run = ul.train(problem.objective(), samples, ul.Schedule(0.8, batch_size=n, epochs=20))
    vectors = ul.recollect(run).vectors
    sets = hard_sets(run, vectors, m, best=problem.best)
    assert all(len(set(rows)) == m for rows in sets.values())
    residuals = samples.inputs @ run.weights - samples.labels
    slopes = residuals[:, None] * samples.inputs + 0.2 * run.weights
    kept = [i for i in range(n) if i not in sets["longest gradients"]]
    assert slopes[sets["longest gradients"]].norm(dim=1).min() >= slopes[kept].norm(dim=1).max()
    assert int(vectors.norm(dim=1).argmax()) in sets["one cluster"]
    spread = {name: float(vectors[rows].std(0).norm()) for name, rows in sets.items()}
    assert spread["one cluster"] < spread["random"]
    # Those that line up lead farther than a random set, and so does retraining without them.
    ends = {name: ul.retrain(run, rows) for name, rows in sets.items()}
    assert problem.excess(ends["lined up"]) > 2 * problem.excess(ends["random"])


@pytest.mark.parametrize("loss", ["squared", "cross_entropy"])
def test_a_search_aimed_at_the_jackknife_finds_no_more_damage(loss):
    """The search along HF-OCU's vectors is not the reason why another method looks better."""
    problem, n = KnownRisk(loss, 8, 0.2, 2.5, 0.5), 500
    samples, objective = problem.draw(n, seed=1), problem.objective()
    schedule = ul.Schedule(1 / problem.constants.curvature, batch_size=n, epochs=40)
    run, least = ul.train(objective, samples, schedule), ul.minimise(objective, samples)
    sources = objective.sample_gradients(least.weights, samples.inputs, samples.labels)
    hessian = Prepared(least).matrix
    hessian.diagonal().add_(objective.l2)
    steps = torch.linalg.solve(hessian, (sources + 0.2 * least.weights).T).T / n
    for m in (5, 25, 75):
        mine = hard_sets(run, ul.recollect(run).vectors, m, best=problem.best)["lined up"]
        theirs = lined_up(steps, m, away=least.weights - problem.best)
        damage = [problem.excess(ul.retrain(run, rows)) for rows in (mine, theirs)]
        assert damage[1] == pytest.approx(damage[0], rel=0.02)
        moved = [ul.newton_step(least, rows).weights for rows in (mine, theirs)]
        assert problem.excess(moved[1]) == pytest.approx(problem.excess(moved[0]), rel=0.02)


def test_what_does_not_fit_is_refused():
    problem = KnownRisk("squared", 4)
    run = ul.train(problem.objective(), problem.draw(9, seed=0), ul.Schedule(0.5, batch_size=9))
    with pytest.raises(ValueError, match=r"vectors: expected shape \[9, 4\]"):
        hard_sets(run, torch.zeros(3, 4, dtype=torch.float64), 2, best=problem.best)
    with pytest.raises(ValueError, match="deletions: expected an integer from 1 to 8"):
        hard_sets(run, torch.zeros(9, 4, dtype=torch.float64), 9, best=problem.best)
