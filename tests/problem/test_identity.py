"""What tells objectives apart whose trainable weights are the same."""

import copy
import subprocess
import sys

import pytest
import torch
from torch import nn

import unlearning as ul
from tests.cases import cases
from unlearning.problem.identity import identity_of

CASES = {case.name: case for case in cases()}
DATA = CASES["mlp"].data


class Scaled(nn.Module):
    """Hides a number of its own from its ``repr``, and a function."""

    def __init__(self, scale=1.0, own=None):
        super().__init__()
        self.linear, self.scale, self.own = nn.Linear(4, 3), scale, own

        self.act = torch.tanh

    def forward(self, x):
        x = self.act(self.linear(x)) * self.scale
        return x if self.own is None else x @ self.own


def model(**changes) -> nn.Module:
    torch.manual_seed(0)
    norm = nn.BatchNorm1d(5)
    layers = [nn.Linear(4, 5), norm, nn.Softplus(), nn.Linear(5, 4), Scaled()]
    layers[0].requires_grad_(False)
    built = nn.Sequential(*layers).double()
    with torch.no_grad():
        for name, change in changes.items():
            change(built.get_submodule(name))
    return built


def identity(module=None, samples=None, **how) -> str:
    objective = ul.Objective(module or model(), **how)
    inputs = torch.linspace(-1, 1, 20, dtype=torch.float64).reshape(5, 4)
    return identity_of(objective, samples or ul.Samples(inputs, torch.tensor([0, 1, 2, 0, 1])))


def frozen(layer):
    layer.weight[0, 0] += 1e-9


def statistics(layer):
    layer.running_mean[2] += 1e-9


def hidden(layer):
    layer.scale = 1.0001


def capped(layer):
    layer.cap = 1e6  # which no value reaches


def function(layer):
    layer.act = torch.sin


OTHERS = {
    "a frozen weight": identity(model(**{"0": frozen})),
    "a BatchNorm statistic": identity(model(**{"1": statistics})),
    "what repr does not show": identity(model(**{"4": hidden})),
    "a number that shows in no value tried": identity(model(**{"4": capped})),
    "what shows in values alone": identity(model(**{"4": function})),
    "the penalty": identity(l2=0.1),
}


@pytest.mark.parametrize("what", OTHERS)
def test_another_function_has_another_identity(what):
    assert OTHERS[what] != identity()
    assert len(set(OTHERS.values())) == len(OTHERS)


def test_a_layer_frozen_is_not_a_layer_trained():
    thawed = model()
    thawed.requires_grad_(True)
    assert identity(thawed) != identity()


def test_trainable_weights_and_the_mode_do_not_count():
    other = model().train()
    with torch.no_grad():
        other[3].weight += 1
    assert identity(other) == identity() == identity(model().eval())


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_threads_and_precision_do_not_count_where_the_weights_are_given(case):
    objective, samples = case.run(clip=False, epochs=1).objective, case.data.train
    before = torch.get_num_threads()
    found = set()
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.add(identity_of(objective, samples))
    torch.set_num_threads(before)
    assert len(found) == 1


def test_a_model_that_cannot_be_tried_in_double_precision_is_told_apart_by_its_layers():
    module = nn.Sequential(model()[:4], Scaled(own=torch.eye(3)))
    module = module.float()
    inputs = ul.Samples(torch.ones(3, 4), [0, 1, 2])
    plain = identity(module, inputs)
    assert plain == identity(copy.deepcopy(module), inputs)
    with torch.no_grad():
        module[0][0].weight[0, 0] += 1e-3
    assert plain != identity(module, inputs)


def test_a_model_that_refuses_in_its_own_way_is_told_apart_by_its_layers():
    class Narrow(nn.Linear):
        def forward(self, x):
            if x.dtype != torch.float32:
                raise ValueError(x.dtype)
            return super().forward(x)

    assert identity(Narrow(4, 3), ul.Samples(torch.ones(3, 4), [0, 1, 2]))


def test_another_process_finds_the_same_identity():
    program = "from tests.problem.test_identity import identity; print(identity())"
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == identity()


def test_objectives_move_to_another_dtype_as_copies():
    objective = ul.Objective(model(), l2=0.5)
    single = objective.to(torch.float32)
    assert single.initial_weights.dtype == torch.float32
    assert objective.initial_weights.dtype == torch.float64
    torch.testing.assert_close(single.initial_weights.double(), objective.initial_weights)
    samples = ul.Samples(torch.ones(2, 4), [0, 1])
    wide = objective.losses(objective.initial_weights, samples.to(torch.float64))
    torch.testing.assert_close(single.losses(single.initial_weights, samples), wide.float())
    assert (single.l2, single.loss_name) == (0.5, "cross_entropy")
