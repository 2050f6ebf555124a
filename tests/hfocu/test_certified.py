"""Certificates: sigma against closed forms, the promise against dense retraining, and refusals."""

import dataclasses
import itertools
import json
import math

import pytest
import torch
from dp_accounting.pld import privacy_loss_distribution
from scipy import integrate, stats
from torch import nn

import unlearning as ul
from tests.cases import unrolled
from tests.hfocu.paths import Problem, draw_from_own_weights
from unlearning.hfocu.auditing import empirical_sensitivity
from unlearning.hfocu.certificate import measured_bound, public_bound

ASKED = {"deletions": 2, "epsilon": 1.0, "delta": 1e-5}
LEAST = 20  # cases that must qualify, or a test says nothing


def delta_of(epsilon, distance):
    """Of two unit Gaussians (Balle and Wang 2018); epsilon may be negative."""
    if distance == 0:
        return max(0.0, 1 - math.exp(epsilon))
    middle, edge = distance / 2, epsilon / distance
    return stats.norm.cdf(middle - edge) - math.exp(epsilon) * stats.norm.cdf(-middle - edge)


def small(seed=0, **fixed) -> Problem:
    """A small problem on which no bound overflows."""
    return draw_from_own_weights(seed, **{"eta": 0.3, "scale": 0.3, "l2": 0.5} | fixed)


def radius_of(run):
    """By hand: the longest input, with 1 for a bias."""
    bias = run.objective.architecture.bias is not None
    return float((run.samples.inputs.square().sum(1) + bias).sqrt().max())


def public(run, **asked):
    premises = ul.Premises.of(run, radius=radius_of(run))
    return ul.certify(premises, **ASKED | asked)


@pytest.fixture(scope="module")
def run():
    return small(n=8).run


@pytest.fixture(scope="module")
def approximators(run):
    return ul.recollect(run)


# ---- the noise ----------------------------------------------------------------------------------


@pytest.mark.parametrize("releases", [1, 3, 50])
@pytest.mark.parametrize(("epsilon", "delta"), [(0.1, 1e-5), (1.0, 1e-5), (10.0, 1e-3)])
def test_sigma_has_just_the_delta_that_is_asked_for(run, releases, epsilon, delta):
    found = public(run, epsilon=epsilon, delta=delta, releases=releases)
    distance = math.sqrt(releases) * found.sensitivity / found.sigma
    assert delta * (1 - 1e-5) <= delta_of(epsilon, distance) <= delta * (1 + 1e-12)


def test_several_releases_compose_as_a_privacy_accountant_composes_them(run):
    found = public(run, releases=4)
    once = privacy_loss_distribution.from_gaussian_mechanism(
        found.sigma / found.sensitivity, value_discretization_interval=1e-3
    )
    spent = once.self_compose(4).get_epsilon_for_delta(found.delta)
    assert spent == pytest.approx(found.epsilon, rel=0.01)


@pytest.mark.parametrize("choose", [
    lambda x: 1.0, lambda x: float(x > 0.5), lambda x: float(x < 0.5), lambda x: 1 - 2.0 * (x > 1),
    lambda x: 0.5 + 0.5 * math.tanh(x), lambda x: -1.0,
])  # fmt: skip
@pytest.mark.parametrize("epsilon", [0.2, 1.0])
@pytest.mark.parametrize("way", [1, -1])
def test_choosing_the_second_request_by_the_first_release_wins_nothing(choose, epsilon, way):
    """Two releases, the second at a distance that depends on the first; integrated exactly."""
    s = 0.7

    def at(x):
        """Inner integral of the positive part of p - exp(epsilon) q, and whose side is p's."""
        p, q = (s, 0.0) if way == 1 else (0.0, s)
        loss = stats.norm.logpdf(x, p) - stats.norm.logpdf(x, q)
        return stats.norm.pdf(x, p) * delta_of(epsilon - loss, s * abs(choose(x)))

    found = sum(integrate.quad(at, a, b, limit=200)[0] for a, b in [(-12, 0.5), (0.5, 1), (1, 12)])
    assert found <= delta_of(epsilon, math.sqrt(2) * s) * (1 + 1e-7)
    if choose(0) == choose(9) == 1:
        assert found == pytest.approx(delta_of(epsilon, math.sqrt(2) * s), rel=1e-6)


def test_sigma_grows_with_all_that_it_should(run):
    base = public(run)
    assert public(run, releases=9).sigma == pytest.approx(3 * base.sigma, rel=1e-12)
    assert public(run, deletions=1).sigma < base.sigma < public(run, deletions=3).sigma
    assert public(run, epsilon=2.0).sigma < base.sigma < public(run, delta=1e-6).sigma


# ---- the distance -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["public", "instance"])
def test_no_set_of_the_size_ends_farther_off(kind):
    """Every set of up to two samples, retrained by autodiff and unlearned as it is published."""
    run, qualifying = small(n=7, features=2, epochs=2).run, 0
    found = public(run) if kind == "public" else ul.certify(run, **ASKED)
    vectors = ul.recollect(run)
    for members in (c for k in (1, 2) for c in itertools.combinations(range(7), k)):
        share = torch.ones(7, dtype=torch.float64)
        share[list(members)] = 0
        error = ul.distance(ul.forget(run, vectors, members), unrolled(run, share, "R2"))
        assert error <= found.sensitivity
        qualifying += error > 1e-9
    assert qualifying >= LEAST


def test_the_bounds_are_those_of_chapter_5(run):
    sizes = {"radius": radius_of(run), "l2": 0.5, "deletions": 2}
    expected = public_bound(run.schedule, 8, initial_weights=run.initial_weights, **sizes)
    assert public(run).exact == pytest.approx(expected.error[-1], rel=1e-9)
    measured = ul.certify(run, **ASKED)
    assert measured.exact == measured_bound(run, deletions=2).error[-1] < public(run).exact


# ---- what it says -------------------------------------------------------------------------------


def test_it_survives_being_written_down(run, approximators):
    for found in (public(run, releases=3), ul.certify(run, **ASKED)):
        again = ul.Certificate.from_dict(json.loads(json.dumps(found.as_dict())))
        assert again == found
        again.check(run, approximators)


def test_it_names_what_it_promises(run):
    said = public(run, releases=3).as_dict()
    assert (said["kind"], said["convention"], said["mode"]) == ("public", "R2", "many")
    assert (said["deletions"], said["releases"], said["fingerprint"]) == (2, 3, None)
    assert "At most 2 samples are deleted, and at most 3 times" in said["assumptions"][0]
    measured = ul.certify(run, **ASKED)
    assert (measured.kind, measured.mode) == ("instance", "single")
    assert measured.fingerprint == run.fingerprint
    assert any("sigma itself depends on the data" in each for each in measured.assumptions)
    assert not any("sigma itself depends" in each for each in said["assumptions"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"convention": "R1"}, "convention: expected one of R2, got 'R1'"),
        ({"colour": "red"}, "certificate: expected a mapping from .* got .*colour"),
        ({"premises": {"n": 3}}, "premises: expected a mapping from classes"),
    ],
)
def test_what_was_not_written_by_it_is_refused(run, change, message):
    with pytest.raises(ValueError, match=message):
        ul.Certificate.from_dict(public(run).as_dict() | change)
    with pytest.raises(ValueError, match="certificate: expected a mapping"):
        ul.Certificate.from_dict([1])


# ---- whether it fits ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"sigma": 1e-9}, {"sensitivity": 1e-9}, {"exact": 1e-9}, {"kind": "instance"},
        {"kind": "trusted"}, {"deletions": 3}, {"epsilon": 0.5}, {"delta": 1e-6}, {"releases": 2},
        {"fingerprint": "0" * 16},
    ],
)  # fmt: skip
def test_numbers_that_do_not_follow_are_found_out(run, approximators, changes):
    forged = dataclasses.replace(public(run), **changes)
    with pytest.raises(ValueError, match=r"(certificate|run): expected"):
        forged.check(run, approximators)


@pytest.mark.parametrize(
    "change", ["n", "schedule", "l2", "radius", "start", "classes", "features"]
)
def test_premises_that_a_run_does_not_meet_are_found_out(run, approximators, change):
    own = ul.Premises.of(run, radius=radius_of(run))
    other = {
        "n": 9, "schedule": dataclasses.replace(run.schedule, epochs=9), "l2": 0.4,
        "radius": own.radius * 0.999, "start": own.start * 0.999, "classes": own.classes + 1,
        "features": own.features + 1,
    }  # fmt: skip
    found = ul.certify(dataclasses.replace(own, **{change: other[change]}), **ASKED)
    with pytest.raises(ValueError, match="run: expected"):
        found.check(run, approximators)


def test_premises_may_be_wider_than_the_run(run, approximators):
    own = ul.Premises.of(run, radius=2 * radius_of(run))
    ul.certify(dataclasses.replace(own, start=2 * own.start), **ASKED).check(run, approximators)


def test_inputs_scaled_to_a_norm_may_be_longer_by_their_rounding(run):
    longest = radius_of(run)
    ul.Premises.of(run, radius=longest * (1 - 1e-14))
    with pytest.raises(ValueError, match="run: expected inputs of norm at most"):
        ul.Premises.of(run, radius=longest * (1 - 1e-9))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"convention": "R1"}, "approximators: .* got convention = 'R1'"),
        ({"convention": "R3"}, "approximators: .* got convention = 'R3'"),
        ({"quirks": ("extra_factor",)}, "approximators: .* got quirks"),
        ({"sets": ((1,),)}, "approximators: .* got sets"),
        ({"first": 1}, "approximators: .* got first = 1"),
        ({"fingerprint": "0" * 16}, "approximators: .* got fingerprint"),
    ],
)
def test_approximators_that_do_not_fit_are_found_out(run, approximators, change, message):
    with pytest.raises(ValueError, match=message):
        public(run).check(run, dataclasses.replace(approximators, **change))


def test_parts_and_rounded_approximators_are_found_out(run, approximators, tmp_path):
    found, vectors = public(run), approximators.vectors
    for other in (vectors[:-1], vectors.float()):
        with pytest.raises(ValueError, match="approximators: expected"):
            found.check(run, dataclasses.replace(approximators, vectors=other))
    found.check(run, ul.recollect(run, folder=tmp_path / "whole"))
    with pytest.raises(ValueError, match="approximators: expected dtype = torch.float64"):
        found.check(run, ul.recollect(run, folder=tmp_path / "rounded", storage="bfloat16"))


def test_the_instance_level_is_for_one_run(run, approximators):
    other = small(1, n=8, features=run.samples.inputs.shape[1])
    found = ul.certify(run, **ASKED)
    found.check(run, approximators)
    with pytest.raises(ValueError, match="run: expected"):
        found.check(other.run, ul.recollect(other.run))
    twin = ul.train(run.objective, run.samples[[1, 0, *range(2, 8)]], run.schedule)
    with pytest.raises(ValueError, match="run: expected .*the one that was certified"):
        found.check(twin, ul.recollect(twin))


# ---- refusals -----------------------------------------------------------------------------------


def test_a_repaired_run_is_refused(run, approximators):
    """It starts from weights that know the deleted samples."""
    repaired = ul.repair(run, approximators, [3], schedule=ul.Schedule(0.1, batch_size=4))
    with pytest.raises(ValueError, match="run: expected one from the model's own weights"):
        ul.Premises.of(repaired.run, radius=9.0)
    with pytest.raises(ValueError, match="run: expected one from the model's own weights"):
        ul.certify(repaired.run, **ASKED)


def test_single_precision_is_refused(run):
    objective, samples = run.objective.to(torch.float32), run.samples.to(torch.float32)
    single = ul.train(objective, samples, run.schedule)
    with pytest.raises(
        ValueError, match=r"run: expected one in double precision .*, got torch.float32"
    ):
        ul.Premises.of(single, radius=9.0)


def test_losses_that_are_not_convex_or_not_known_are_refused():
    problem = small(2, features=3, classes=2)
    network = nn.Sequential(nn.Linear(3, 2), nn.Softplus(), nn.Linear(2, 2)).double()
    run = ul.train(ul.Objective(network), problem.run.samples, ul.Schedule(0.1, batch_size=3))
    with pytest.raises(ValueError, match="run: expected a convex loss"):
        ul.Premises.of(run, radius=9.0)
    with pytest.raises(ValueError, match="expected a convex loss"):
        ul.certify(run, **ASKED)
    with pytest.raises(ValueError, match="run: expected a convex loss"):
        ul.certify(small(3, loss="squared").run, **ASKED)


def test_a_clip_within_reach_is_refused():
    free = small(1, n=8)
    longest = max(step.gradient + step.source for step in
                  ul.Premises.of(free.run, radius=radius_of(free.run)).steps(2))  # fmt: skip
    close = small(1, n=8, clip=longest)
    assert all(factor == 1 for factor in close.run.clip_factors)
    with pytest.raises(ValueError, match="run: expected a clip that is idle in every retraining"):
        public(close.run)
    with pytest.raises(ValueError, match="run: expected a clip that is idle in every retraining"):
        ul.certify(small(1, n=8, clip=0.01).run, **ASKED)
    assert public(small(1, n=8, clip=100.0).run).sigma == public(free.run).sigma


def test_bounds_that_are_not_finite_are_refused():
    schedule = ul.Schedule(1.0, batch_size=2, epochs=400)
    premises = ul.Premises(schedule, 4, features=3, classes=2, radius=9.0, l2=0.1, start=0.0)
    with pytest.raises(ValueError, match="run: expected steps along which the bound stays finite"):
        ul.certify(premises, **ASKED)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"epsilon": 0.0}, "epsilon: expected a finite number above 0"),
        ({"epsilon": math.inf}, "epsilon: expected a finite number"),
        ({"delta": 0.0}, "delta: expected a finite number above 0"),
        ({"delta": 1.0}, "delta: expected a number between 0 and 1"),
        ({"releases": 0}, "releases: expected an integer of at least 1"),
        ({"releases": 1.5}, "releases: expected an integer"),
        ({"deletions": 0}, "deletions: expected an integer from 1 to 7"),
        ({"deletions": 8}, "deletions: expected an integer from 1 to 7"),
    ],
)
def test_values_out_of_range_are_refused(run, asked, message):
    with pytest.raises(ValueError, match=message):
        public(run, **asked)
    with pytest.raises(ValueError, match=message):
        ul.certify(run, **ASKED | asked)


def test_an_empirical_quantile_is_no_certificate():
    found = empirical_sensitivity([0.1, 0.2, 0.3])
    for other in (found, found.value):
        with pytest.raises(
            ValueError, match=r"premises: expected .*empirical quantile is no bound"
        ):
            ul.certify(other, **ASKED)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n": 1}, "n: expected an integer of at least 2"),
        ({"radius": 0.0}, "radius: expected a finite number above 0"),
        ({"l2": -1.0}, "l2: expected a finite number of at least 0"),
        ({"start": math.nan}, "start: expected a finite number"),
        ({"classes": 1}, "classes: expected an integer of at least 2"),
        ({"features": 0}, "features: expected an integer of at least 1"),
        ({"schedule": None}, "schedule: expected a Schedule"),
    ],
)
def test_premises_are_checked(run, change, message):
    own = ul.Premises.of(run, radius=9.0).__dict__
    with pytest.raises(ValueError, match=message):
        ul.Premises(**own | change)
