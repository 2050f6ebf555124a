"""Does the forgotten still show? Sanity of the attack on real models: a half where it must be."""

import pytest
import torch

import unlearning as ul
from unlearning.attacks import roc
from unlearning.attacks.groups import groups
from unlearning.attacks.lira import log_ratio, reference
from unlearning.attacks.margins import margins_of
from unlearning.attacks.shadows import halves, train_shadows
from unlearning.training.ensemble import retrain_many

SETS = 20


SCHEDULE = ul.Schedule(0.05, 0.995, 32, 15, clip=5.0)


def lira(objective, pool):
    """LiRA with 64 shadows on models without each of 20 disjoint sets, by way of unlearning."""
    half, learned = len(pool) // 2, halves(2, len(pool), seed=99)[0]
    shadows = train_shadows(objective, pool, SCHEDULE, 64)
    found = reference(shadows.margins(), shadows.learned)
    rows = learned.nonzero()[:, 0]
    run = ul.train(objective, pool[rows], SCHEDULE)
    order = torch.randperm(half, generator=torch.Generator().manual_seed(1))
    places = order.view(SETS, half // SETS).tolist()
    ways = {
        "do nothing": run.weights.expand(SETS, -1),
        "retrain": retrain_many(run, places),
        "HF-OCU": run.weights + ul.recollect(run, sets=places).vectors,
    }
    sets = [rows[members].tolist() for members in places]
    scores = {
        name: log_ratio(found, margins_of(objective, models, pool)) for name, models in ways.items()
    }
    return scores, learned, sets


@pytest.fixture(scope="module")
def attacked():
    data = ul.load("digits", seed=0, n_train=1000)
    return lira(ul.Objective(ul.models.logistic(data), l2=1e-4), data.train)


@pytest.fixture(scope="module")
def by_heart():
    """Labels drawn by lot, and more weights than samples: all that can be learned is the rows."""
    generator = torch.Generator().manual_seed(3)
    labels = torch.randint(4, (400,), generator=generator)
    pool = ul.Samples(torch.randn(400, 300, generator=generator), labels)
    data = ul.Data("noise", pool, pool[[0]])
    return lira(ul.Objective(ul.models.logistic(data)), pool)


def area(attacked, way, kind="forgotten"):
    scores, learned, sets = attacked
    mine = groups(scores[way], learned, sets)
    return roc.auc(getattr(mine, kind), mine.never, confidence=0.999)


def test_exact_retraining_leaves_nothing_to_find(attacked):
    found = area(attacked, "retrain")
    assert found.low < 0.5 < found.high


def test_doing_nothing_leaves_what_the_learned_model_shows(attacked):
    """Forgotten rows are learned rows there: exactly the attack on the learned model."""
    scores, learned, sets = attacked
    found = area(attacked, "do nothing")
    assert found.low > 0.55
    model, rows = scores["do nothing"][0], torch.tensor(sets).flatten()
    assert found.value == roc.auc(model[rows], model[~learned][:500]).value


def test_a_model_that_knows_its_rows_by_heart_is_caught(by_heart):
    assert area(by_heart, "do nothing").low > 0.95
    assert area(by_heart, "retrain", "retained").low > 0.95
    found = area(by_heart, "retrain")
    assert found.low < 0.5 < found.high


def test_what_is_retained_shows_in_the_retrained_models(attacked):
    assert area(attacked, "retrain", "retained").low > 0.55


def test_hf_ocu_leaves_less_than_doing_nothing(attacked):
    assert area(attacked, "HF-OCU").high < area(attacked, "do nothing").value


def test_shuffled_membership_gives_a_half(attacked):
    scores, learned, sets = attacked
    mine = groups(scores["do nothing"], learned, sets)
    both = torch.cat([mine.forgotten, mine.never])
    mixed = both[torch.randperm(1000, generator=torch.Generator().manual_seed(0))]
    found = roc.auc(mixed[:500], mixed[500:], confidence=0.999)
    assert found.low < 0.5 < found.high


def test_groups_by_hand():
    """Model k says 100 k + row."""
    scores = 100 * torch.arange(2.0)[:, None] + torch.arange(8.0)
    learned = torch.tensor([1, 1, 0, 1, 0, 1, 0, 0], dtype=torch.bool)
    found = groups(scores, learned, [[5, 0], [1, 3]])
    assert found.forgotten.tolist() == [5, 0, 101, 103]
    assert found.retained.tolist() == [1, 3, 105, 100]
    assert found.never.tolist() == [2, 4, 106, 107]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"scores": torch.zeros(1, 8), "sets": [[0]]}, "scores"),
        ({"learned": torch.ones(7, dtype=torch.bool)}, "learned"),
        ({"learned": torch.ones(8, dtype=torch.bool)}, "rows never learned"),
        ({"sets": [[0], [1, 3]]}, "sets of one size"),
        ({"sets": [[0]]}, "sets of one size"),
        ({"sets": [[0], [0]]}, "share no row"),
        ({"sets": [[0], [2]]}, "row 2, which was not"),
        ({"sets": [[0], [8]]}, "sets"),
    ],
)
def test_bad_input_is_named(change, named):
    learned = torch.tensor([1, 1, 0, 1, 0, 1, 0, 0], dtype=torch.bool)
    given = {"scores": torch.zeros(2, 8), "learned": learned, "sets": [[0], [1]]} | change
    with pytest.raises(ValueError, match=named):
        groups(**given)
