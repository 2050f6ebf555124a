"""What a run keeps of its weights, on disk or in memory, and what it holds while it is made."""

import gc
import os
from dataclasses import replace

import pytest
import torch

import unlearning as ul
from tests.cases import cases
from unlearning.base.durable import MANIFEST
from unlearning.training import descent
from unlearning.training.descent import Position, stretches
from unlearning.training.trajectory import walk

CASE = cases()[0]
RUN = CASE.run(clip=True, epochs=7)  # 21 steps, more than a stretch
RETRAINED = ul.retrain(RUN, [2, 7])
OBJECTIVE, SAMPLES, SCHEDULE = RUN.objective, RUN.samples, RUN.schedule


def spilled(folder) -> ul.Run:
    return ul.train(OBJECTIVE, SAMPLES, SCHEDULE, folder=folder)


def same(run, expected):
    assert len(run) == len(expected)
    for t in range(len(expected) + 1):
        assert torch.equal(run.weights_at(t), expected.weights_at(t)), t
    assert torch.equal(run.weights, expected.weights)
    assert run.clip_factors == expected.clip_factors
    assert run.step_sizes == expected.step_sizes
    assert run.schedule == expected.schedule
    assert run.fingerprint == expected.fingerprint
    assert all(torch.equal(a, b) for a, b in zip(run.batches, expected.batches, strict=True))


def test_a_run_on_disk_is_the_run_in_memory_bit_for_bit(tmp_path):
    same(spilled(tmp_path), RUN)
    opened = ul.open_run(tmp_path, OBJECTIVE, SAMPLES)
    same(opened, RUN)
    assert torch.equal(ul.retrain(opened, [2, 7]), RETRAINED)


def test_its_walk_can_begin_anywhere(tmp_path):
    run = spilled(tmp_path)
    for first in (0, 1, 15, 16, 17, 20, 21):
        found = list(run.stretches(first))
        firsts = [first, 16] if first < 16 else [first][: 21 - first]
        assert [s.first for s in found] == firsts
        weights = torch.cat([s.weights for s in found] or [torch.empty(0, 51).double()])
        assert torch.equal(weights, RUN.trajectory[first:21])
        assert [c for s in found for c in s.clip_factors] == RUN.clip_factors[first:]
        assert [e for s in found for e in s.step_sizes] == RUN.step_sizes[first:]


def test_both_ends_alone(tmp_path):
    run = ul.train(OBJECTIVE, SAMPLES, SCHEDULE, keep=False)
    assert torch.equal(run.weights, RUN.weights)
    assert torch.equal(run.weights_at(0), RUN.initial_weights)
    assert torch.equal(run.weights_at(21), RUN.weights)
    assert run.fingerprint == RUN.fingerprint
    assert torch.equal(ul.retrain(run, [2, 7]), RETRAINED)
    message = r"run: expected one that kept its weights .train with keep=True, or with a folder"
    with pytest.raises(ValueError, match=message):
        run.weights_at(5)
    with pytest.raises(ValueError, match=message):
        next(run.stretches())


def test_what_is_returned_can_be_changed_without_harm(tmp_path):
    for run in (spilled(tmp_path), ul.train(OBJECTIVE, SAMPLES, SCHEDULE, keep=False)):
        for weights in (run.weights, run.initial_weights, run.weights_at(0)):
            weights.zero_()
        assert torch.equal(run.weights, RUN.weights)
        assert torch.equal(run.initial_weights, RUN.initial_weights)


def test_the_same_run_again_is_read_and_not_made(tmp_path, monkeypatch):
    spilled(tmp_path)

    def never(*_, **__):
        raise AssertionError("trained again")

    monkeypatch.setattr(ul.Objective, "gradient_and_loss", never)
    same(spilled(tmp_path), RUN)


@pytest.mark.parametrize(
    "change",
    [
        {"schedule": replace(SCHEDULE, seed=4)},
        {"samples": ul.Samples(SAMPLES.inputs + 1e-9, SAMPLES.labels)},
        {"samples": ul.Samples(SAMPLES.inputs, SAMPLES.labels.flip(0))},
        {"objective": ul.Objective(CASE.model, l2=0.2)},
    ],
    ids=["seed", "inputs", "labels", "penalty"],
)
def test_another_run_never_takes_its_place(change, tmp_path):
    spilled(tmp_path)
    given = {"objective": OBJECTIVE, "samples": SAMPLES, "schedule": SCHEDULE} | change
    with pytest.raises(ValueError, match="folder: expected an empty folder, or one with this run"):
        ul.train(**given, folder=tmp_path)
    same(ul.open_run(tmp_path, OBJECTIVE, SAMPLES), RUN)
    if "schedule" not in change:
        with pytest.raises(ValueError, match="folder: expected a run of this objective and these"):
            ul.open_run(tmp_path, given["objective"], given["samples"])


def test_another_model_with_the_same_weights_is_refused(tmp_path):
    soft, tanh = (
        ul.Objective(ul.models.mlp(CASE.data, hidden=5, activation=name))
        for name in ("softplus", "tanh")
    )
    ul.train(soft, SAMPLES, SCHEDULE, folder=tmp_path)
    with pytest.raises(ValueError, match="folder: expected a run of this objective"):
        ul.open_run(tmp_path, tanh, SAMPLES)


def test_a_training_cut_short_leaves_no_run(tmp_path, monkeypatch):
    def cut(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("unlearning.training.path.OnDisk.finish", cut)
        with pytest.raises(KeyboardInterrupt):
            spilled(tmp_path)
    with pytest.raises(ValueError, match="folder: expected one that train.* got no run at all"):
        ul.open_run(tmp_path, OBJECTIVE, SAMPLES)
    same(spilled(tmp_path), RUN)


@pytest.mark.parametrize("damage", ["short", "gone", "row"])
def test_damaged_weights_are_named(tmp_path, damage):
    spilled(tmp_path)
    (path,) = tmp_path.glob("weights-*")
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    elif damage == "short":
        path.write_bytes(content[:-1])
    else:
        place = content.index(RUN.weights_at(5).numpy().tobytes())
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    with pytest.raises(ValueError, match=f"{path.name}: expected"):
        ul.open_run(tmp_path, OBJECTIVE, SAMPLES).weights_at(5)


# Stretches.


@pytest.mark.parametrize("length", [1, 2, 5, 64])
def test_where_stretches_end_changes_no_bit(length, monkeypatch):
    monkeypatch.setattr(descent, "STRETCH", length)
    assert len(next(stretches(0, 21))) == min(length, 21)
    same(ul.train(OBJECTIVE, SAMPLES, SCHEDULE), RUN)
    assert torch.equal(ul.retrain(RUN, [2, 7]), RETRAINED)


@pytest.mark.parametrize("t", [1, 7, 16, 20])
def test_a_training_goes_on_from_any_position_with_the_same_bits(t):
    position = Position(RUN.weights_at(t), t, RUN.clip_factors[:t])
    found = list(walk(OBJECTIVE, SAMPLES, SCHEDULE, position, ""))
    assert torch.equal(torch.cat([stretch.weights for stretch, _ in found]), RUN.trajectory[t:21])
    _, end = found[-1]
    assert torch.equal(end.weights, RUN.weights)
    assert list(end.clip_factors) == RUN.clip_factors
    assert end.t == 21


@pytest.mark.parametrize("t", [0, 3, 15, 16, 19, 20])
@pytest.mark.parametrize("what", ["loss", "gradient"])
def test_the_exact_step_of_a_number_that_is_not_finite_is_named(t, what, monkeypatch, tmp_path):
    """Also in the middle of a stretch, and however much follows that is not finite either."""
    calls, gradient = [], ul.Objective.gradient_and_loss

    def broken(*arguments):
        g, loss = gradient(*arguments)
        calls.append(1)
        if len(calls) == t + 1:
            return (g, loss * float("nan")) if what == "loss" else (g * float("inf"), loss)
        return g, loss

    monkeypatch.setattr(ul.Objective, "gradient_and_loss", broken)
    with pytest.raises(ValueError, match=f"step_size: .* at step {t} of 21 "):
        ul.train(OBJECTIVE, SAMPLES, SCHEDULE, folder=tmp_path)
    assert MANIFEST not in os.listdir(tmp_path)
    calls.clear()
    with pytest.raises(ValueError, match=f"step_size: .* at step {t} of 21 "):
        ul.retrain(RUN, [2, 7])


def test_a_last_step_out_of_the_finite_numbers_is_named():
    """No loss follows that would show it."""
    inputs = SAMPLES.inputs.float() * 1e3
    data = ul.Data("large", ul.Samples(inputs, SAMPLES.labels), CASE.data.test)
    objective = ul.Objective(ul.models.logistic(data))
    with pytest.raises(ValueError, match="weights that are not finite after step 0 of 1"):
        ul.train(objective, data.train, ul.Schedule(3e38, batch_size=13))


# Memory.


def held() -> int:
    """Bytes of all tensors that are alive."""
    tensors = [thing for thing in gc.get_objects() if type(thing) is torch.Tensor]
    storages = {storage.data_ptr(): storage.nbytes() for storage in map(storage_of, tensors)}
    return sum(storages.values())


def storage_of(tensor: torch.Tensor):
    return tensor.untyped_storage()


@pytest.mark.parametrize("what", ["retrain", "both ends", "on disk"])
def test_no_weights_pile_up_while_steps_are_made(what, monkeypatch, tmp_path):
    """Two stretches at most, however many steps there are."""
    schedule = replace(SCHEDULE, batch_size=1, epochs=10)  # 130 steps
    run = ul.train(OBJECTIVE, SAMPLES, schedule, folder=tmp_path / "run")
    before, most, calls = held(), 0, 0
    inner = ul.Objective.gradient_and_loss

    def counted(*arguments):
        nonlocal most, calls
        calls += 1
        if calls % 10 == 0:  # looking takes long
            most = max(most, held())
        return inner(*arguments)

    monkeypatch.setattr(ul.Objective, "gradient_and_loss", counted)
    if what == "retrain":
        ul.retrain(run, [2, 7])
    else:
        how = {"keep": False} if what == "both ends" else {"folder": tmp_path / "again"}
        ul.train(OBJECTIVE, SAMPLES, schedule, **how)
    assert calls >= 110  # of 130 steps, 20 are left out with their only sample
    assert most - before < 0.5 * len(run) * run.weights.nbytes
