"""Blocks of the Gauss-Newton matrix from Jacobians, against its definition."""

import pytest
import torch

import unlearning as ul
from tests.baselines.points import CASES, At, learned_ridge, some_weights
from unlearning.base import memory
from unlearning.curvature import jacobian as jacobians
from unlearning.curvature.jacobian import gauss_newton_block
from unlearning.curvature.restricted import Restricted
from unlearning.curvature.system import System

every_case = pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
SOME = torch.tensor([40, 3, 17, 4])


def system(at, **more):
    return System(at.objective, at.samples, at.weights, **{"curvature": "ggn"} | more)


def by_definition(at, a=1.0):
    """The Hessian of the loss of the model made linear at w, penalty included."""
    inputs, labels = at.samples.inputs, at.samples.labels
    outputs = at.objective.outputs(at.weights, inputs).detach()
    slope = torch.autograd.functional.jacobian(
        lambda w: at.objective.outputs(w, inputs), at.weights
    )

    def linear(w):
        moved = outputs + slope @ (w - at.weights)
        if at.objective.loss_name == "squared":
            loss = ((moved[:, 0] - labels) ** 2 / 2).mean()
        else:
            loss = torch.nn.functional.cross_entropy(moved, labels)
        return a * loss + at.objective.l2 / 2 * (w @ w)

    return torch.autograd.functional.hessian(linear, at.weights)


@every_case
@pytest.mark.parametrize("batch", [1024, 5])
def test_a_block_by_definition(case, batch):
    at = some_weights(case, scale=1.5)
    found, passes = gauss_newton_block(Restricted(system(at, batch=batch), SOME, damping=0.2))
    expected = by_definition(at)[SOME][:, SOME] + 0.2 * torch.eye(4, dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    assert passes == 3


@every_case
def test_few_jacobians_are_held_at_a_time(case, monkeypatch):
    at = some_weights(case)
    monkeypatch.setattr(jacobians, "_BLOCK_BYTES", 4 * 3 * len(at.weights) * 8)
    found, _ = gauss_newton_block(Restricted(system(at, batch=10, loss_weight=0.4)))
    torch.testing.assert_close(found, by_definition(at, a=0.4), rtol=0, atol=1e-12)


def test_of_the_squared_loss():
    at = learned_ridge()
    found, passes = gauss_newton_block(Restricted(system(at)))
    torch.testing.assert_close(found, by_definition(at), rtol=0, atol=1e-12)
    assert passes == 1


def test_of_single_precision_data_in_double():
    case = CASES[1]
    narrow = ul.Objective(ul.models.mlp(case.data, hidden=5, activation="softplus").float())
    at = At(narrow, case.data.train.to(torch.float32), 0.3 * narrow.initial_weights)
    found, _ = gauss_newton_block(Restricted(system(at), SOME))
    wide = At(narrow.to(torch.float64), at.samples.to(torch.float64), at.weights.double())
    torch.testing.assert_close(found, by_definition(wide)[SOME][:, SOME], rtol=0, atol=1e-12)


def test_refusals(monkeypatch):
    at = some_weights(CASES[0])

    class Own(ul.Objective):
        pass

    own = At(Own(CASES[0].model), at.samples, at.weights)
    for wrong in (system(at, curvature="hessian"), system(own)):
        with pytest.raises(
            ValueError, match="restricted: expected a Gauss-Newton system with a lo"
        ):
            gauss_newton_block(Restricted(wrong))
    monkeypatch.setattr(memory, "available", lambda device: 100)
    with pytest.raises(ValueError, match="solver: expected 'cg' for d = 4"):
        gauss_newton_block(Restricted(system(at), SOME))
