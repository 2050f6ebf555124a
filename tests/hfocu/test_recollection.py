"""The recursion against the unrolled run, and the identities of an affine recursion."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import unlearning as ul
from tests.cases import cases, derivative, random_data, unrolled

CASES = cases()
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
every_convention = pytest.mark.parametrize("convention", ul.CONVENTIONS)


def steps_clipped(run):
    return sum(factor < 1 for factor in run.clip_factors)


@every_case
@every_convention
@pytest.mark.parametrize("clip", [False, True], ids=["idle", "active"])
def test_equals_minus_the_derivative_of_the_whole_run(case, convention, clip):
    run = case.run(clip=clip)
    assert (0 < steps_clipped(run) < len(run)) is clip  # active means: both kinds of step occur
    assert len(run.batches[-1]) == 3  # ragged
    vectors = ul.recollect(run, convention=convention).vectors
    for member in (0, 6, 12):
        expected = derivative(run, [member], convention)
        torch.testing.assert_close(vectors[member], expected, rtol=0, atol=1e-10)
    assert vectors.norm(dim=1).min() > 1e-3  # every sample was used, so none is zero


@every_convention
def test_unrolled_oracle_repeats_the_run_itself(convention):
    """The oracle must be the run: with whole weights it ends where training ended."""
    run = CASES[1].run(clip=True)
    end = unrolled(run, torch.ones(len(run.samples), dtype=torch.float64), convention)
    torch.testing.assert_close(end, run.weights, rtol=0, atol=1e-13)


@every_convention
def test_error_shrinks_quadratically_with_the_weight_taken_away(convention):
    run = CASES[0].run(clip=False)
    vector = ul.recollect(run, sets=[[2, 7]], convention=convention).vectors[0]

    def error(h):
        share = torch.ones(len(run.samples), dtype=torch.float64)
        share[[2, 7]] = 1 - h
        return float((unrolled(run, share, convention) - run.weights - h * vector).norm())

    assert error(1e-2) / error(5e-3) == pytest.approx(4, rel=0.05)
    assert error(5e-3) / error(2.5e-3) == pytest.approx(4, rel=0.05)


@every_case
def test_a_set_is_the_sum_of_its_samples(case):
    run = case.run(clip=True)
    each = ul.recollect(run).vectors
    sets = [[3], [0, 12, 5], [1, 2, 4, 9]]
    together = ul.recollect(run, sets=sets).vectors
    for row, members in zip(together, sets, strict=True):
        torch.testing.assert_close(row, each[members].sum(0), rtol=0, atol=1e-12)


@given(data=st.data())
@settings(max_examples=15, deadline=None)
def test_linearity_over_random_disjoint_sets(data):
    run = RUN
    members = data.draw(st.lists(st.integers(0, 12), min_size=2, max_size=10, unique=True))
    cut = data.draw(st.integers(1, len(members) - 1))
    sets = [members, members[:cut], members[cut:]]
    convention = data.draw(st.sampled_from(ul.CONVENTIONS))
    whole, left, right = ul.recollect(run, sets=sets, convention=convention).vectors
    torch.testing.assert_close(whole, left + right, rtol=0, atol=1e-12)


@given(chunk=st.integers(1, 20), case=st.integers(0, 2))
@settings(max_examples=8, deadline=None)
def test_chunk_size_does_not_change_the_result(chunk, case):
    run = RUNS[case]
    whole, parts = ul.recollect(run), ul.recollect(run, chunk=chunk)
    torch.testing.assert_close(parts.vectors, whole.vectors, rtol=0, atol=1e-13)


RUNS = [case.run(clip=True, epochs=1) for case in CASES]
RUN = RUNS[0]


# The released code's departures, each against its own written-out formula.


def written_out(run, member, *, extra, sample_clip, transposed):
    """Sections (1) and (2) of the released recursion with dense Hessians, one switch each."""
    a = torch.zeros_like(run.weights)
    identity = torch.eye(len(a), dtype=a.dtype)
    for t, batch in enumerate(run.batches):
        w, eta, clip = run.weights_at(t), run.step_sizes[t], run.schedule.clip
        inputs, labels = run.samples.inputs[batch], run.samples.labels[batch]

        def regularised(w, x=inputs, y=labels):
            outputs = run.objective.outputs(w, x)
            return torch.nn.functional.cross_entropy(outputs, y) + run.objective.l2 / 2 * w @ w

        g = torch.func.grad(regularised)(w)
        p = identity
        if g.norm() > clip:
            p = clip / g.norm() * (identity - torch.outer(g, g) / g.norm() ** 2)
        h = torch.func.hessian(regularised)(w)
        fresh = torch.zeros_like(a)
        if member in batch.tolist():
            x, y = run.samples.inputs[[member]], run.samples.labels[[member]]
            fresh = torch.func.grad(regularised)(w, x, y)
            fresh = fresh * min(1, clip / float(fresh.norm())) if sample_clip else p @ fresh
            fresh = fresh * eta / len(batch)
        shrink = identity - eta * (h @ p if transposed else p @ h)
        a = shrink @ (a + fresh) if extra else shrink @ a + fresh
    return a


@pytest.mark.parametrize(
    "quirks", [(), *((name,) for name in ul.QUIRKS), ul.AS_RELEASED], ids=lambda q: "+".join(q)
)
def test_each_quirk_is_what_its_formula_says(quirks):
    run = CASES[0].run(clip=True)
    switches = {
        "extra": "extra_factor" in quirks,
        "sample_clip": "sample_clip" in quirks,
        "transposed": "transposed_clip" in quirks,
    }
    vectors = ul.recollect(run, quirks=quirks).vectors
    for member in (0, 12):
        expected = written_out(run, member, **switches)
        torch.testing.assert_close(vectors[member], expected, rtol=0, atol=1e-12)


def test_quirks_change_the_result():
    run = CASES[0].run(clip=True)
    plain = ul.recollect(run).vectors
    for name in ul.QUIRKS:
        assert ul.distance(ul.recollect(run, quirks=(name,)).vectors, plain) > 1e-3


# Design §3: when HF-OCU is exact and when not.


def linear_run(**changes):
    """Least squares: the loss is quadratic in the weights."""
    data = random_data(shape=(3,))
    samples = ul.Samples(data.train.inputs, data.train.inputs.sum(1) ** 2)
    model = ul.models.logistic(ul.Data("real targets", samples, samples))
    schedule = ul.Schedule(step_size=0.1, batch_size=len(samples), **changes)
    return ul.train(ul.Objective(model, l2=0.2, loss="squared"), samples, schedule)


@every_convention
def test_exact_on_a_quadratic_when_the_deleted_samples_are_used_in_one_step(convention):
    run = linear_run(epochs=1)
    unlearned = ul.forget(run, ul.recollect(run, convention=convention), [1, 4])
    retrained = ul.retrain(run, [1, 4], convention=convention)
    if convention == "R1":  # the mean over the kept rows is not linear in their weights
        assert ul.distance(unlearned, retrained) > 1e-4
    else:
        torch.testing.assert_close(unlearned, retrained, rtol=0, atol=1e-11)


def test_not_exact_on_a_quadratic_over_several_steps():
    run = linear_run(epochs=6)
    unlearned = ul.forget(run, ul.recollect(run), [1, 4])
    retrained = ul.retrain(run, [1, 4])
    assert 1e-3 < ul.distance(unlearned, retrained) < ul.distance(run.weights, retrained)


def test_exact_when_losses_are_linear_and_the_penalty_is_common(monkeypatch):
    samples = ul.Samples(random_data(shape=(3,)).train.inputs, torch.zeros(13, dtype=torch.float64))
    model = ul.models.logistic(ul.Data("real targets", samples, samples))
    objective = ul.Objective(model, l2=0.3, loss="squared")
    linear_loss = property(lambda self: lambda outputs, labels: outputs.reshape(labels.shape))
    monkeypatch.setattr(ul.Objective, "_losses", linear_loss)
    schedule = ul.Schedule(step_size=0.1, decay=0.97, batch_size=4, epochs=5)
    run = ul.train(objective, samples, schedule)
    vectors = ul.recollect(run, convention="R3", kernel="generic")  # this loss is no kernel's own
    unlearned = ul.forget(run, vectors, [1, 4, 5])
    retrained = ul.retrain(run, [1, 4, 5], convention="R3")
    assert ul.distance(run.weights, retrained) > 1e-3
    torch.testing.assert_close(unlearned, retrained, rtol=0, atol=1e-11)


@pytest.mark.parametrize("convention", ["R2", "R3"])
def test_true_change_is_approximator_plus_second_order_recursion(convention):
    """Delta = a + e on quadratics, e_{t+1} = (I - eta H) e_t + eta H_U Delta_t / |B|."""
    run = linear_run(epochs=6)
    forgotten, l2 = [1, 4], run.objective.l2
    own_share = l2 if convention == "R2" else 0.0
    x = torch.cat([run.samples.inputs, torch.ones(len(run.samples), 1).double()], 1)
    identity = torch.eye(4, dtype=torch.float64)
    h = x.T @ x / len(x) + l2 * identity
    h_deleted = x[forgotten].T @ x[forgotten] + own_share * len(forgotten) * identity
    start = run.initial_weights
    delta, e = torch.zeros_like(start), torch.zeros_like(start)
    w = start.clone()
    for t in range(len(run)):
        eta = run.step_sizes[t]
        e = e - eta * h @ e + eta / len(x) * h_deleted @ delta
        kept = [i for i in range(len(x)) if i not in forgotten]
        residual = x[kept] @ w - run.samples.labels[kept]
        shrink = l2 - own_share * len(forgotten) / len(x)
        w = w - eta * (x[kept].T @ residual / len(x) + shrink * w)
        delta = w - run.weights_at(t + 1)
    a = ul.recollect(run, sets=[forgotten], convention=convention).vectors[0]
    torch.testing.assert_close(delta, a + e, rtol=0, atol=1e-12)


# Bad input.


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"convention": "R4"}, "convention: expected one of R1, R2, R3, got 'R4'"),
        ({"quirks": ("clip",)}, "quirks: expected one of extra_factor"),
        ({"sets": []}, "sets: expected at least one set"),
        ({"sets": [[1], []]}, "sets: expected at least one sample"),
        ({"sets": [[1, 1]]}, "sets: expected each sample once"),
        ({"sets": [[13]]}, "sets: expected an integer from 0 to 12"),
        ({"sets": [list(range(13))]}, "sets: expected fewer than all 13 samples"),
        ({"chunk": 0}, "chunk: expected an integer of at least 1"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        ul.recollect(RUN, **arguments)


def test_a_recursion_that_leaves_the_finite_numbers_is_refused():
    diverging = replace(RUN, step_sizes=[1e200] * len(RUN))
    with pytest.raises(ValueError, match="run: expected a run along which the recursion"):
        ul.recollect(diverging)
