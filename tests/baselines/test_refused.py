"""What the Newton step and the jackknife refuse, and what they say."""

import re

import pytest
import torch

from tests.baselines.points import CASES, GONE, both, some_weights
from unlearning.baselines.newton import newton_step
from unlearning.baselines.prepared import Prepared

BAD = {
    "convention: expected one of R1, R2, R3, got 'R0'": {"convention": "R0"},
    "form: expected one of one_term, full, got 'both'": {"form": "both"},
    "damping: expected a finite number of at least 0, got -0.1": {"damping": -0.1},
    "solver: expected one of dense, cg, got 'lsmr'": {"solver": "lsmr"},
    "curvature: expected one of hessian, ggn, got 'fisher'": {"curvature": "fisher"},
    "quirks: expected a list of names out of broadcast_step, mean": {"quirks": "no_penalty"},
    "quirks: expected one of broadcast_step, mean_gradient": {"quirks": ["dropout"]},
    "forget: expected at least one sample, got an empty list": {"forget": []},
    "forget: expected fewer than all 13 samples": {"forget": range(13)},
    "prepared: expected Prepared(learned) of the same 'learned', got another": {"prepared": 1},
    "maxiter: expected a residual of at most 1e-10 within 1": {"solver": "cg", "maxiter": 1},
}


@both
@pytest.mark.parametrize("message", BAD)
def test_bad_requests(method, message):
    request = {"forget": GONE} | BAD[message]
    with pytest.raises(ValueError, match=re.escape(message)):
        method(some_weights(CASES[0]), **request)


@both
def test_what_has_not_been_learned_is_refused(method):
    with pytest.raises(
        ValueError, match="learned: expected a Run or a Minimum, with objective, go"
    ):
        method(torch.zeros(3), GONE)


def test_a_prepared_matrix_of_something_else_is_refused():
    at = some_weights(CASES[0])
    prepared = Prepared(at)
    again = some_weights(CASES[0])
    with pytest.raises(ValueError, match="prepared: expected Prepared"):
        newton_step(again, GONE, prepared=prepared)
    with pytest.raises(ValueError, match="solver: expected 'dense', for which there is a prepared"):
        newton_step(at, GONE, prepared=prepared, solver="cg")
    with pytest.raises(ValueError, match="curvature: expected 'hessian', for which there is a pre"):
        newton_step(at, GONE, prepared=prepared, curvature="ggn")
