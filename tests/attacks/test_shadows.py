"""Shadows trained together are those that ``train`` makes one by one."""

import pytest
import torch

import unlearning as ul
from unlearning.attacks.margins import margins, margins_of
from unlearning.attacks.shadows import Shadows, halves, schedule_of, train_on, train_shadows

SCHEDULE = ul.Schedule(0.1, 0.99, batch_size=7, epochs=3, seed=3)


@pytest.fixture(scope="module")
def digits():
    return ul.load("digits", seed=0, n_train=40, dtype=torch.float64)


def small_cnn():
    torch.manual_seed(1)
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 3, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(108, 10)
    ).double()


def model_of(kind, data):
    if kind == "no bias":
        return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10, bias=False).double())
    return ul.models.logistic(data) if kind == "linear" else small_cnn()


@pytest.mark.parametrize("clip", [None, 0.8])
@pytest.mark.parametrize("kind", ["linear", "no bias", "cnn"])
def test_each_shadow_is_a_run_of_its_own(digits, kind, clip):
    objective = ul.Objective(model_of(kind, digits), l2=0.01)
    schedule = ul.Schedule(0.1, 0.99, batch_size=7, epochs=3, clip=clip)
    shadows = train_shadows(objective, digits.train, schedule, 6, seed=5)
    for k, (learned, w) in enumerate(zip(shadows.learned, shadows.weights, strict=True)):
        rows = learned.nonzero()[:, 0].tolist()
        run = ul.train(objective, digits.train[rows], schedule_of(schedule, 5, k))
        assert ul.distance(run.weights, w) < 1e-10 * float(run.weights.norm())


def test_parts_of_a_chunk_do_not_matter(digits, monkeypatch):
    objective = ul.Objective(ul.models.logistic(digits))
    whole = train_shadows(objective, digits.train, SCHEDULE, 6).weights
    monkeypatch.setattr("unlearning.attacks.shadows.AT_ONCE", 64 * 7 * 4)
    parts = train_shadows(objective, digits.train, SCHEDULE, 6).weights
    torch.testing.assert_close(parts, whole, rtol=0, atol=1e-12)


def test_every_row_is_in_half_of_the_shadows_and_every_shadow_has_half_of_the_rows():
    learned = halves(64, 50, seed=2)
    assert (learned.sum(0) == 32).all()
    assert (learned.sum(1) == 25).all()
    assert not torch.equal(learned, halves(64, 50, seed=3))
    # Pairs are drawn apart from each other: two rows are not always learned together.
    together = (learned[:, 0] == learned[:, 1:].T).sum(1)
    assert together.min() > 0
    assert together.max() < 64


def test_margins_of_many_models_are_those_of_each(digits, monkeypatch):
    monkeypatch.setattr("unlearning.attacks.margins.AT_ONCE", 64 * 40 * 2)
    objective = ul.Objective(ul.models.logistic(digits))
    shadows = train_shadows(objective, digits.train, SCHEDULE, 6)
    for w, found in zip(shadows.weights, shadows.margins(), strict=True):
        p = objective.outputs(w, digits.train.inputs).softmax(1)
        own = p[torch.arange(40), digits.train.labels]
        torch.testing.assert_close(found, (own / (1 - own)).log(), rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(margins_of(objective, w, digits.train), found)


def test_a_margin_stays_exact_where_the_probability_rounds_to_one():
    logits = torch.tensor([[900.0, 0.0, -2.0]])
    expected = 900 - torch.tensor([0.0, -2.0], dtype=torch.float64).logsumexp(0)
    assert margins(logits, torch.tensor([0])).item() == pytest.approx(float(expected))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"count": 5}, "count"),
        ({"count": 0}, "count"),
        ({"pool": slice(0, 39)}, "rows"),
        ({"schedule": ul.Schedule(0.1, batch_size=21)}, "batch_size"),
        ({"schedule": ul.Schedule(1e300, batch_size=7)}, "step_size"),
    ],
)
def test_bad_input_is_named(digits, change, named):
    given = {"pool": slice(0, 40), "schedule": SCHEDULE, "count": 4} | change
    objective = ul.Objective(ul.models.logistic(digits), l2=0.1)
    with pytest.raises(ValueError, match=named):
        train_shadows(objective, digits.train[given["pool"]], given["schedule"], given["count"])


def test_uneven_lines_are_refused(digits):
    objective = ul.Objective(ul.models.logistic(digits))
    learned = halves(2, 40)
    learned[0, learned[1].nonzero()[0]] = True
    with pytest.raises(ValueError, match="learned"):
        train_on(objective, digits.train, learned, SCHEDULE)
    with pytest.raises(ValueError, match="learned"):
        train_on(objective, digits.train, learned[:, :30], SCHEDULE)


def test_labels_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="labels"):
        margins(torch.zeros(3, 2), torch.tensor([0, 1, 2]))
    with pytest.raises(ValueError, match="logits"):
        margins(torch.zeros(3, 1), torch.tensor([0, 0, 0]))


def test_shadows_tell_how_many_they_are(digits):
    objective = ul.Objective(ul.models.logistic(digits))
    assert len(Shadows(objective, digits.train, halves(4, 40), torch.zeros(4, 650))) == 4
