"""Convolutions follow the switch of the matrix products."""

import pytest
import torch

import unlearning as ul
from tests.cases import cases
from unlearning.base.precision import full_float32


def switches():
    return torch.backends.cudnn.conv.fp32_precision, torch.backends.cudnn.rnn.fp32_precision


def test_tf32_is_off_inside_and_as_before_outside():
    before = switches()
    with full_float32():
        assert switches() == ("ieee", "ieee")
    assert switches() == before


def test_as_before_after_an_error():
    before = switches()
    with pytest.raises(KeyError), full_float32():
        raise KeyError
    assert switches() == before


def test_left_alone_when_tf32_was_asked_for():
    before = switches()
    torch.set_float32_matmul_precision("high")
    try:
        with full_float32():
            assert switches() == before
    finally:
        torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize("verb", ["train", "retrain", "recollect", "train_and_recollect"])
def test_every_verb_computes_inside(verb, monkeypatch):
    run = cases()[0].run(clip=False, epochs=1)
    seen = set()
    spied = ul.Objective.unflatten  # whatever is computed begins with it

    def spy(self, w):
        seen.add(switches())
        return spied(self, w)

    monkeypatch.setattr(ul.Objective, "unflatten", spy)
    arguments = {
        "train": (run.objective, run.samples, run.schedule),
        "train_and_recollect": (run.objective, run.samples, run.schedule),
        "retrain": (run, [2]),
        "recollect": (run,),
    }
    getattr(ul, verb)(*arguments[verb])
    assert seen == {("ieee", "ieee")}
