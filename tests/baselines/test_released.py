"""The released Newton step and jackknife, each departure by itself and all together."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import unlearning as ul
from tests.baselines.points import CASES, GONE, both, removed, shares, some_weights
from unlearning.baselines.newton import newton_step
from unlearning.baselines.quirks import NEWTON_AS_RELEASED, NEWTON_QUIRKS


def released(at, method, quirks, damping):
    """The released update from its description, R1, for whichever switches are on."""
    n, m = 13, len(GONE)
    l2 = 0.0 if "no_penalty" in quirks else at.objective.l2
    damping *= 2 if "double_damping" in quirks else 1
    newton = method is newton_step
    share = shares(n, GONE) if newton else shares(n)
    matrix = at.hessian(share, "R1", damping=damping, l2=l2)
    b = removed(at, "R1", l2=l2) / (n - m if newton else n)
    step = torch.linalg.solve(matrix, b / m if "mean_gradient" in quirks else b)
    if "broadcast_step" not in quirks:
        return at.weights + step
    module = at.objective.module(at.weights)
    with torch.no_grad():
        for j, parameter in enumerate(module.parameters()):
            parameter += step[j]
    return nn.utils.parameters_to_vector(module.parameters())


@both
@given(quirks=st.sets(st.sampled_from(list(NEWTON_QUIRKS))), number=st.integers(0, 1))
@settings(max_examples=32, deadline=None)
def test_quirks(method, quirks, number):
    at = some_weights(CASES[number])
    expected = released(at, method, quirks, damping=2.0)
    found = method(at, GONE, convention="R1", damping=2.0, quirks=tuple(quirks))
    torch.testing.assert_close(found.weights, expected, rtol=0, atol=1e-9)


@both
def test_every_quirk_does_something(method):
    at = some_weights(CASES[0])
    plain = method(at, GONE, damping=0.5).weights
    for name in NEWTON_QUIRKS:
        assert ul.distance(method(at, GONE, damping=0.5, quirks=[name]).weights, plain) > 1e-3
    assert set(NEWTON_AS_RELEASED) < set(NEWTON_QUIRKS)
