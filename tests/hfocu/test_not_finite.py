"""A row that overflows is named with its step, and never saved."""

import shutil
from dataclasses import replace

import pytest
import torch

import unlearning as ul
from tests.cases import cases
from unlearning.base.durable import read_manifest
from unlearning.hfocu.sources import Along

CASE = cases()[0]
LATE = 17  # of 21 steps: in the second stretch


def overflowing(case, sample: int):
    """A run in single precision along which only the row of one sample overflows, in step LATE.

    Its own input is large; the steps before LATE are so small that its row stays finite.
    """
    samples = case.data.train.to(torch.float32)
    small = ul.Data("small", samples, samples)
    objective = ul.Objective(ul.models.logistic(small))
    schedule = ul.Schedule(1e-9, batch_size=5, epochs=7, seed=3)  # nothing is learned
    run = ul.train(objective, samples, schedule)
    t = next(t for t in range(LATE, 21) if sample in run.batches[t].tolist())
    inputs, labels = samples.inputs.clone(), samples.labels.clone()
    inputs[sample] *= 1e3
    labels[sample] = objective.outputs(run.weights, inputs[[sample]]).argmin()  # a large residual
    step_sizes = [1e-30] * len(run)
    step_sizes[t] = 1e37
    changed = replace(run, step_sizes=step_sizes, samples=ul.Samples(inputs, labels))
    return changed, t


@pytest.mark.parametrize("kernel", ["softmax", "generic"])
@pytest.mark.parametrize("sample", [2, 11])
def test_the_step_and_the_sample_that_overflow_are_named(kernel, sample, tmp_path):
    run, t = overflowing(CASE, sample)
    message = f"run: .*infinity in step {t} of 21 for sample {sample}: "
    with pytest.raises(ValueError, match=message):
        ul.recollect(run, kernel=kernel)
    with pytest.raises(ValueError, match=f"infinity in step {t} of 21 for set 1: "):
        ul.recollect(run, kernel=kernel, sets=[[0, 4], [3, sample]])
    folder = tmp_path / "store"
    for _ in range(2):  # the state that was saved is one from before, and leads there again
        with pytest.raises(ValueError, match=message):
            ul.recollect(run, kernel=kernel, folder=folder, save_every=0)
        state = read_manifest(folder / "state")
        assert state["progress"]["t"] <= t
    before = replace(run, step_sizes=[1e-30] * len(run))
    shutil.copytree(folder, tmp_path / "copy")
    vectors = ul.recollect(before, kernel=kernel, folder=tmp_path / "copy").vectors[:]
    assert vectors.isfinite().all()


@pytest.mark.parametrize("stored", [False, True], ids=["memory", "folder"])
def test_along_with_training_the_overflow_is_named_too(stored, tmp_path, monkeypatch):
    """The training stays finite; the recursion is told of one step size that is too large."""
    run, t = overflowing(CASE, 11)
    begin = Along.begin

    def told(source, state):
        for stretch in begin(source, state):
            part = slice(stretch.first, stretch.first + len(stretch))
            yield replace(stretch, step_sizes=run.step_sizes[part])

    monkeypatch.setattr(Along, "begin", told)
    how = {"folder": tmp_path, "save_every": 0} if stored else {}
    with pytest.raises(ValueError, match=f"infinity in step {t} of 21 for sample 11: "):
        ul.train_and_recollect(run.objective, run.samples, run.schedule, **how)
    if stored:
        assert read_manifest(tmp_path / "state")["progress"]["t"] <= t
        monkeypatch.undo()
        _, found = ul.train_and_recollect(
            run.objective, run.samples, run.schedule, **how
        )  # from the state before
        assert found.vectors[:].isfinite().all()
