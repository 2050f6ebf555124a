"""Repairing against the unrolled two-phase run, exact cases, identities, and what is refused."""

from dataclasses import replace

import pytest
import torch
from torch.func import jvp

import unlearning as ul
from tests.cases import cases, random_data, unrolled
from unlearning.hfocu.recursion import Recursion
from unlearning.training.path import Ends

CASES = cases()
GONE = [1, 6, 9]
REPAIR = ul.Schedule(0.2, 0.98, batch_size=4, epochs=2, seed=8)  # 10 stay: the last batch has 2
CLIPS = {"logistic": 0.9, "mlp": 0.9, "smooth_cnn": 0.7}  # active in some repair steps
every_convention = pytest.mark.parametrize("convention", ul.CONVENTIONS)
every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def first_phase(case=CASES[0], clip=False, convention="R2", **settings):
    run = case.run(clip=clip)
    return run, ul.recollect(run, convention=convention, **settings)


def from_weights(run, start):
    return replace(run, trajectory=Ends(start, start, len(run)))


def two_phases(run, repaired, jump, share, convention):
    """Both phases by automatic differentiation alone; the jump does not depend on the shares."""
    start = unrolled(run, share, convention) + jump
    return unrolled(from_weights(repaired.run, start), share[list(repaired.kept)], convention)


def two_phase_derivative(run, repaired, jump, member, convention):
    whole = torch.ones(len(run.samples), dtype=torch.float64)
    direction = torch.zeros_like(whole)
    direction[member] = 1.0

    def end(share):
        return two_phases(run, repaired, jump, share, convention)

    return -jvp(end, (whole,), (direction,))[1]


def active(run):
    return sum(factor < 1 for factor in run.clip_factors)


@every_case
@every_convention
@pytest.mark.parametrize("clip", [False, True], ids=["idle", "active"])
def test_equals_minus_the_derivative_of_both_phases(case, convention, clip):
    run, vectors = first_phase(case, clip, convention)
    schedule = replace(REPAIR, clip=CLIPS[case.name] if clip else None)
    repaired = ul.repair(run, vectors, GONE, schedule=schedule)
    for phase in (run, repaired.run):
        assert (0 < active(phase) < len(phase)) is clip
    assert [len(batch) for batch in repaired.run.batches[:3]] == [4, 4, 2]
    jump = vectors.vectors[GONE].sum(0)
    whole = torch.ones(len(run.samples), dtype=torch.float64)
    end = two_phases(run, repaired, jump, whole, convention)
    torch.testing.assert_close(end, repaired.weights, rtol=0, atol=1e-10)
    for member in (0, 7, 12):
        expected = two_phase_derivative(run, repaired, jump, member, convention)
        row = repaired.approximators.vectors[repaired.kept.index(member)]
        torch.testing.assert_close(row, expected, rtol=0, atol=1e-10)
        assert float(expected.norm()) > 1e-3
        gap = repaired.forget([member]) - repaired.weights - expected
        assert float(gap.abs().max()) < 1e-10


@every_convention
def test_two_rounds_are_a_derivative_of_three_phases(convention):
    run, vectors = first_phase(convention=convention)
    first = ul.repair(run, vectors, GONE, schedule=REPAIR)
    second = first.repair([0, 12], schedule=replace(REPAIR, seed=1))
    assert second.kept == (2, 3, 4, 5, 7, 8, 10, 11)
    jumps = [vectors.vectors[GONE].sum(0), first.forget([0, 12]) - first.weights]
    whole = torch.ones(len(run.samples), dtype=torch.float64)
    direction = torch.zeros_like(whole)
    direction[7] = 1.0

    def end(share):
        start = two_phases(run, first, jumps[0], share, convention) + jumps[1]
        return unrolled(from_weights(second.run, start), share[list(second.kept)], convention)

    expected = -jvp(end, (whole,), (direction,))[1]
    row = second.approximators.vectors[second.kept.index(7)]
    torch.testing.assert_close(row, expected, rtol=0, atol=1e-10)


@every_convention
def test_retrain_is_both_phases_without_the_samples(convention):
    """Shares of zero in the unrolled phases; without a jump."""
    run, vectors = first_phase(convention=convention)
    repaired = ul.repair(run, vectors, GONE, schedule=REPAIR)
    for more in ([], [4, 10]):
        share = torch.ones(len(run.samples), dtype=torch.float64)
        share[GONE + more] = 0.0
        expected = two_phases(run, repaired, 0.0, share, convention)
        found = repaired.retrain(more)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
        assert ul.distance(repaired.retrain(more, batch_seed=5), found) > 1e-4
    again = repaired.repair([4, 10], schedule=None).retrain()
    torch.testing.assert_close(again, repaired.retrain([4, 10]), rtol=0, atol=0)


def test_without_a_step_it_is_forget():
    run, vectors = first_phase()
    repaired = ul.repair(run, vectors, GONE, schedule=None)
    assert torch.equal(repaired.weights, ul.forget(run, vectors, GONE))
    assert torch.equal(repaired.approximators.vectors, vectors.vectors[list(repaired.kept)])
    both = ul.forget(run, vectors, [*GONE, 3])
    torch.testing.assert_close(repaired.forget([3]), both, rtol=0, atol=1e-12)
    assert torch.equal(repaired.retrain(), ul.retrain(run, GONE))
    tiny = ul.repair(run, vectors, GONE, schedule=replace(REPAIR, step_size=1e-300))
    assert torch.equal(tiny.weights, repaired.weights)
    torch.testing.assert_close(
        tiny.approximators.vectors, repaired.approximators.vectors, rtol=0, atol=1e-15
    )


def test_a_set_is_the_sum_of_its_samples():
    run, vectors = first_phase(clip=True)
    each = ul.repair(run, vectors, GONE, schedule=REPAIR)
    sets = [[0, 12, 5], [2], [3, 4]]
    together = ul.repair(run, vectors, GONE, schedule=REPAIR, sets=sets)
    by_sets = ul.recollect(run, sets=[GONE, *sets])
    carried = ul.repair(run, by_sets, GONE, schedule=REPAIR)
    for members in sets:
        expected = each.forget(members)
        for other in (together, carried):
            torch.testing.assert_close(other.forget(members), expected, rtol=0, atol=1e-11)
    shuffled = each.forget([5, 0, 12])
    assert torch.equal(shuffled, each.forget([0, 12, 5]))


def test_what_is_left_out_is_the_cross_term():
    """The whole pipeline, its jump included: one term more, the jump's own derivative, carried."""
    run, vectors = first_phase()
    repaired = ul.repair(run, vectors, GONE, schedule=REPAIR)
    whole = torch.ones(len(run.samples), dtype=torch.float64)
    toward_gone, toward_member = torch.zeros_like(whole), torch.zeros_like(whole)
    toward_gone[GONE], toward_member[7] = -1.0, -1.0

    def jump(share):
        return jvp(lambda s: unrolled(run, s, "R2"), (share,), (toward_gone,))[1]

    def second(start):
        return unrolled(from_weights(repaired.run, start), whole[list(repaired.kept)], "R2")

    found, cross = jvp(jump, (whole,), (toward_member,))
    torch.testing.assert_close(found, vectors.vectors[GONE].sum(0), rtol=0, atol=1e-10)
    full = jvp(lambda s: two_phases(run, repaired, jump(s), s, "R2"), (whole,), (toward_member,))[1]
    start = ul.forget(run, vectors, GONE)
    carried_cross = jvp(second, (start,), (cross,))[1]
    row = repaired.approximators.vectors[repaired.kept.index(7)]
    torch.testing.assert_close(full, row + carried_cross, rtol=0, atol=1e-10)
    assert 1e-6 < float(carried_cross.norm()) < float(row.norm())


def test_exact_after_repair_when_losses_are_linear_and_the_penalty_is_common(monkeypatch):
    samples = ul.Samples(random_data(shape=(3,)).train.inputs, torch.zeros(13, dtype=torch.float64))
    model = ul.models.logistic(ul.Data("real targets", samples, samples))
    linear_loss = property(lambda self: lambda outputs, labels: outputs.reshape(labels.shape))
    monkeypatch.setattr(ul.Objective, "_losses", linear_loss)
    objective = ul.Objective(model, l2=0.3, loss="squared")
    run = ul.train(objective, samples, replace(REPAIR, epochs=4))
    vectors = ul.recollect(run, convention="R3", kernel="generic")
    first = ul.repair(run, vectors, GONE, schedule=REPAIR, kernel="generic")
    again = first.repair([3, 12], schedule=replace(REPAIR, seed=2), kernel="generic")
    for repaired, further in ((first, [0, 5]), (again, [2, 10, 11])):
        torch.testing.assert_close(repaired.weights, repaired.retrain(), rtol=0, atol=1e-11)
        target = repaired.retrain(further)
        torch.testing.assert_close(repaired.forget(further), target, rtol=0, atol=1e-11)
        assert ul.distance(repaired.weights, target) > 1e-3


# Where it is computed.


def test_in_a_folder_in_groups_and_after_a_kill(tmp_path, monkeypatch):
    run, vectors = first_phase(CASES[1], clip=True)
    expected = ul.repair(run, vectors, GONE, schedule=REPAIR)
    stored = ul.recollect(run, folder=tmp_path / "first")
    groups = []

    class Killed(Exception):
        """In place of a process that dies."""

    advance = Recursion.advance

    def dying(recursion, *args):
        groups.append(recursion.rows)
        for steps in advance(recursion, *args):
            yield steps
            if recursion.rows.start > 0:
                raise Killed

    def again():
        where = {"folder": tmp_path / "repair", "memory": LITTLE, "save_every": 0.0}
        return ul.repair(run, stored, GONE, schedule=REPAIR, chunk=2, **where)

    with monkeypatch.context() as patched:
        patched.setattr(Recursion, "advance", dying)
        with pytest.raises(Killed):
            again()
    assert len({rows.start for rows in groups}) > 1  # in groups
    found = again()
    torch.testing.assert_close(
        found.approximators.vectors[:], expected.approximators.vectors, rtol=0, atol=1e-13
    )
    assert torch.equal(found.forget([0, 4]), expected.forget([0, 4]))
    with pytest.raises(ValueError, match="folder: expected"):
        ul.repair(run, vectors, [2], schedule=REPAIR, folder=tmp_path / "repair")
    with pytest.raises(ValueError, match="memory: expected"):
        ul.repair(run, vectors, GONE, schedule=REPAIR, memory=1)


LITTLE = 54_000  # bytes: some rows of the multilayer perceptron at a time


# Bad input.

RUN, VECTORS = first_phase(CASES[0])
CLIPPED = CASES[0].run(clip=True)
BY_SETS = ul.recollect(RUN, sets=[GONE, [9, 3]])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"forget": []}, "forget: expected at least one sample, got an empty list"),
        ({"forget": [1, 1]}, "forget: expected each sample once, got sample 1 more than once"),
        ({"forget": [13]}, r"forget: expected an integer from 0 to 12 \(a sample\), got 13"),
        ({"forget": range(13)}, "forget: expected fewer than all 13 samples"),
        ({"sets": [[2], [9]]}, "sets: expected samples that stay, got sample 9, to be deleted"),
        ({"schedule": 3}, "schedule: expected a Schedule, or None for no step, got int"),
        ({"schedule": replace(REPAIR, batch_size=11)}, "batch_size: expected .* got 11"),
        ({"schedule": None, "folder": "x"}, "folder: expected None without repair steps"),
        ({"convention": "R1"}, "settings: expected one of kernel, chunk, .* got 'convention'"),
        ({"approximators": BY_SETS, "forget": [2]}, "forget: expected one of the 2 sets .* got"),
        ({"approximators": BY_SETS}, "sets: expected one at least without a deleted sample"),
        ({"run": CLIPPED, "schedule": None}, "approximators: expected those of this run"),
        ({"run": 3}, "run: expected an unlearning.Run"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    good = {"run": RUN, "approximators": VECTORS, "forget": GONE, "schedule": REPAIR}
    with pytest.raises(ValueError, match=message):
        ul.repair(**(good | arguments))


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        ([9], "samples: expected samples that have not been deleted, got sample 9, which has been"),
        ([3, 3], "samples: expected each sample once, got sample 3 more than once"),
        ([13], r"samples: expected an integer from 0 to 12 \(a sample\), got 13"),
        ([i for i in range(13) if i not in GONE], "samples: expected fewer than all 10 samples"),
    ],
)
def test_later_requests_are_checked_in_the_numbers_of_the_first_run(samples, message):
    repaired = ul.repair(RUN, VECTORS, GONE, schedule=None)
    for method in (repaired.forget, repaired.retrain):
        with pytest.raises(ValueError, match=message):
            method(samples)
    with pytest.raises(ValueError, match=message.replace("samples:", "forget:", 1)):
        repaired.repair(samples, schedule=None)
