"""What corrections refuse, and what they say; the learned weights stay as they were."""

import re

import pytest
import torch
from torch import nn

import unlearning as ul
from tests.baselines.points import CASES, At, learned_ridge, some_weights
from tests.saps.changes import ROWS, new_both
from unlearning.curvature.solve import UnsolvedError

AT = some_weights(CASES[0])
NEW = new_both(AT)
WANTED = (
    "corrected: expected inputs [3, 1, 4, 4] of torch.float64 with labels of torch.int64 on cpu"
)
SELECT = "select: expected a bool mask [51], or distinct numbers of weights from 0 to 50, got "
BAD = {
    "rows: expected at least one sample, got an empty list": {"rows": []},
    "rows: expected each sample once, got sample 2 more than once": {"rows": [2, 7, 2]},
    "rows: expected an integer from 0 to 12 (a sample), got 13": {"rows": [2, 7, 13]},
    "corrected: expected an unlearning.Samples, or None, got Tensor": {"corrected": NEW.inputs},
    WANTED + ", got inputs [2, 1, 4, 4]": {"corrected": NEW[:2]},
    WANTED + ", got inputs [3, 16]": {"corrected": ul.Samples(NEW.inputs.flatten(1), NEW.labels)},
    WANTED + ", got inputs [3, 1, 4, 4] of torch.float32": {"corrected": NEW.to(torch.float32)},
    WANTED + ", got inputs [3, 1, 4, 4] of torch.float64 with labels of torch.float64": {
        "corrected": ul.Samples(NEW.inputs, NEW.labels.double())
    },
    "samples: expected labels below the model's number of classes, 3, got a label 3; these are the "
    "corrected rows": {
        "corrected": ul.Samples(NEW.inputs, torch.tensor([0, 3, 1]))
    },
    "order: expected an integer from 1 to 2, got 3": {"order": 3},
    "order: expected an integer from 1 to 2, got True": {"order": True},
    "step_size: expected a finite number above 0, got None": {"order": 1},
    "step_size: expected a finite number above 0, got 0": {"order": 1, "step_size": 0},
    "step_size: expected None for order 2, which takes a whole step, got 0.5": {"step_size": 0.5},
    "damping: expected 0 for order 1, which solves no system, got 0.5": {
        "order": 1, "step_size": 1.0, "damping": 0.5,
    },
    "damping: expected a finite number of at least 0, got -1": {"damping": -1},
    "solver: expected one of auto, dense, cg, lissa, got 'lu'": {"solver": "lu"},
    "scale: expected None without solver='lissa', got 3.0": {"scale": 3.0},
    "scale: expected a finite number above 0, got 0": {"scale": 0, "solver": "lissa"},
    "rtol: expected a finite number above 0, got 0": {"rtol": 0},
    "maxiter: expected an integer of at least 1, got 0": {"maxiter": 0},
    "curvature: expected one of hessian, ggn, got 'fisher'": {"curvature": "fisher"},
    "convention: expected one of R1, R2, R3, got 'R0'": {"convention": "R0"},
    "hessian_on: expected one of corrected, original, got 'both'": {"hessian_on": "both"},
    "dtype: expected one of torch.float64, torch.float32, got torch.int64": {"dtype": torch.int64},
    "batch: expected an integer of at least 1, got 0": {"batch": 0},
    SELECT + "none": {"select": []},
    "select: expected at least one weight, got none ": {"select": torch.zeros(51).bool()},
    "select: expected a bool mask [51], got torch.bool of shape [50]": {
        "select": torch.ones(50).bool()
    },
    SELECT + "numbers from -1 to 3": {"select": [3, -1]},
    SELECT + "numbers from 3 to 51": {"select": [51, 3]},
    SELECT + "torch.float32 of shape [2]": {"select": [0.5, 1.0]},
    SELECT + "torch.int64 of shape [1, 2]": {"select": [[1, 2]]},
    "select: expected a bool mask or integers, got 'all'": {"select": "all"},
    SELECT + "weight 4 more than once": {"select": [4, 1, 4]},
}  # fmt: skip


@pytest.mark.parametrize("message", BAD)
def test_bad_requests(message):
    before = AT.weights.clone()
    request = {"rows": ROWS, "corrected": NEW, "order": 2} | BAD[message]
    with pytest.raises(ValueError, match=re.escape(message.strip())):
        ul.correct(AT, **request)
    assert torch.equal(AT.weights, before)


def test_all_rows_can_be_corrected_but_not_dropped():
    at = learned_ridge()
    everything = ul.Samples(at.samples.inputs + 1.0, at.samples.labels)
    assert ul.correct(at, range(13), everything, order=2).moved == 5
    with pytest.raises(ValueError, match="rows: expected fewer than all 13 samples"):
        ul.correct(at, range(13), None, order=2)


def test_what_has_not_been_learned_is_refused():
    wanted = "learned: expected a Run or a Minimum, with objective, got Tensor"
    with pytest.raises(ValueError, match=wanted):
        ul.correct(torch.zeros(3), ROWS, NEW, order=2)


def indefinite():
    at = some_weights(CASES[1], l2=0.0, scale=1.5)
    return at, new_both(at)


@pytest.mark.parametrize("solver", ["dense", "cg", "lissa"])
def test_an_indefinite_matrix_names_the_damping(solver):
    at, new = indefinite()
    before = at.weights.clone()
    with pytest.raises(UnsolvedError, match="damping: expected one that makes the matrix positive"):
        ul.correct(at, ROWS, new, order=2, solver=solver)
    assert torch.equal(at.weights, before)
    assert ul.correct(at, ROWS, new, order=2, damping=9.0, solver=solver).residual <= 1e-10


@pytest.mark.parametrize("written_out", [False, True])
def test_a_singular_matrix_names_the_damping(written_out):
    """Without penalty the same vector may be added to the weights of all classes."""
    at = some_weights(CASES[0], l2=0.0)
    change = ul.Change(at, ROWS, NEW)
    if written_out:
        change.write_out()
    with pytest.raises(UnsolvedError, match="damping: expected one that makes the matrix positive"):
        change.correct(order=2)
    with pytest.raises(UnsolvedError, match="damping: expected one that makes the matrix positive"):
        change.correct(order=2, select=[0, 16, 32])  # the first input's weight in each class
    assert change.correct(order=2, select=[0, 16]).residual <= 1e-10


def test_solvers_that_do_not_converge():
    for solver in ("cg", "lissa"):
        with pytest.raises(UnsolvedError, match="maxiter: expected a residual of at most 1e-10 wi"):
            ul.correct(AT, ROWS, NEW, order=2, solver=solver, maxiter=1)


def test_weights_that_are_not_finite():
    model = nn.Linear(2, 2)
    samples = ul.Samples(torch.ones(3, 2), torch.tensor([0, 1, 1]))
    at = At(ul.Objective(model), samples, torch.zeros(6))
    new = ul.Samples(torch.full((1, 2), 1e30), torch.tensor([0]))
    with pytest.raises(ValueError, match="step_size: expected one with which the weights stay fin"):
        ul.correct(at, [0], new, order=1, step_size=1e30)
    assert torch.equal(at.weights, torch.zeros(6))


def test_a_setting_that_there_is_none():
    with pytest.raises(TypeError, match="quirks"):
        ul.correct(AT, ROWS, NEW, order=2, quirks=())
