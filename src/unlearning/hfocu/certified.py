"""Certificates: how much noise makes unlearning certified, and under which premises.

What is certified (Definition 1 of the HF-OCU paper, from Sekhari et al. 2021, as it is meant here).
Let U be at most m samples, ``w^U = w_T + sum of a_u over U`` the unlearned weights, and ``w^-U``
those retrained from the same start with the same batches, in which the slots of U stay empty
(convention R2). Both are published in the same way: on the grid of ``base/accumulate``, plus noise
``N(0, sigma^2 I)``. Then for every set W of weights::

    P[w^U + noise in W]  <= exp(epsilon) P[w^-U + noise in W] + delta
    P[w^-U + noise in W] <= exp(epsilon) P[w^U + noise in W]  + delta

as ``|w^U - w^-U| <= sensitivity``, and sigma is what the analytic Gaussian mechanism asks for that
distance (Balle and Wang 2018), which is symmetric in its two sides.

Several releases. Each is a state without noise, plus noise of its own. The requests before release
i may depend on all releases before it. Given those, the two sides of release i are Gaussians of the
same sigma whose means differ by at most the sensitivity ``s_i`` for the samples deleted by then:
whatever the history, telling them apart is no easier than telling N(0, 1) from N(s_i / sigma, 1).
Such bounds compose under adaptive choice as if all were one Gaussian at the distance of the root of
the sum of ``(s_i / sigma)^2`` (Dong, Roth and Su 2022, on Gaussian differential privacy). Every
``s_i`` is at most the sensitivity for m, so ``sigma = sqrt(k) * sensitivity * scale`` covers k
releases, in both directions. That k is fixed beforehand is needed: sigma depends on it.

The bound itself is a recursion for convex losses (``bounds``; chapter 5 of the book proves it).
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch

from unlearning.base import checks
from unlearning.hfocu import constants
from unlearning.hfocu.approximators import Approximators
from unlearning.hfocu.bounds import certified
from unlearning.hfocu.capacity import gaussian_scale
from unlearning.hfocu.premises import Premises, exactly, longest_input
from unlearning.hfocu.roundoff import with_roundoff
from unlearning.training.trajectory import Run

#: The only retraining that the bounds are proved for.
CONVENTION = "R2"
#: The root finder behind sigma stops within 1e-12 of it; sigma is never below what is needed.
UPWARDS = 1 + 1e-9
#: How closely numbers that are computed again must agree: other threads give other last digits.
AGREEMENT = 1e-6


@dataclass(frozen=True)
class Certificate:
    """What is promised, how much noise it takes, and on what it rests.

    Attributes:
        kind: ``public`` (the premises alone decide sigma) or ``instance`` (measured on one run:
            sigma depends on its data, and publishing it tells of them).
        premises: what the run must meet; ``check`` verifies it.
        fingerprint: of the one run, for ``instance``; else None.
        deletions: m, the most samples deleted before the last release.
        releases: k, the most releases.
        epsilon: of certified unlearning, all releases together.
        delta: likewise.
        exact: the bound on the distance in exact arithmetic.
        sensitivity: the same with what rounding may add, for one release.
        sigma: standard deviation of the noise on each weight, in each release.
    """

    kind: str
    premises: Premises
    fingerprint: str | None
    deletions: int
    releases: int
    epsilon: float
    delta: float
    exact: float
    sensitivity: float
    sigma: float

    @property
    def mode(self) -> str:
        """``single``: one release, then nothing more; ``many``: k releases, fresh noise each."""
        return "single" if self.releases == 1 else "many"

    @property
    def assumptions(self) -> list[str]:
        """What is promised and what not, in plain sentences."""
        return [
            f"At most {self.deletions} samples are deleted, and at most {self.releases} times "
            "weights are published, each time with fresh Gaussian noise on the noiseless state. "
            "Which samples are deleted may depend on what has been published.",
            *(_PUBLIC if self.kind == "public" else _INSTANCE),
            *_ALWAYS,
        ]

    def as_dict(self) -> dict[str, Any]:
        """All of it as plain values, fit for JSON."""
        said = {"convention": CONVENTION, "mode": self.mode, "assumptions": self.assumptions}
        return asdict(self) | said

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Certificate":
        """What ``as_dict`` gave. Its numbers are not trusted before ``check`` has found them again.

        Raises:
            ValueError: if something is missing, unknown, or of another convention.
        """
        checks.instance("certificate", values, Mapping, "a mapping, as as_dict gives it")
        derived = ("mode", "assumptions", "convention")
        stated = {name: value for name, value in values.items() if name not in derived}
        found = exactly("certificate", stated, cls)
        checks.choice("convention", values.get("convention"), (CONVENTION,))
        return cls(**found | {"premises": Premises.from_dict(found["premises"])})

    def check(self, run: Run, approximators: Approximators) -> None:
        """Verify that this is a certificate for a run and its approximators.

        The premises are looked up in the run, and the bound and sigma are computed again.

        Args:
            run: whose weights are to be published after deletions.
            approximators: of this run, one per sample.

        Raises:
            ValueError: that says what does not fit.
        """
        own = self.premises
        found = Premises.of(run, radius=own.radius, start=own.start)
        checks.same("run", own.as_dict(), found.as_dict(), " as certified")
        if self.kind == "instance" and run.fingerprint != self.fingerprint:
            checks.fail("run", f"the one that was certified, {self.fingerprint}", run.fingerprint)
        _check_approximators(run, approximators)
        again = certify(run if self.kind == "instance" else found, **self._asked())
        for name in (field.name for field in fields(self)):
            was, now = getattr(self, name), getattr(again, name)
            numbers = isinstance(was, float) and isinstance(now, float)
            if not (math.isclose(was, now, rel_tol=AGREEMENT) if numbers else was == now):
                checks.fail("certificate", f"{name} = {now} (computed again)", was)

    def _asked(self) -> dict[str, Any]:
        names = ("deletions", "epsilon", "delta", "releases")
        return {name: getattr(self, name) for name in names}


_PUBLIC = [
    "The noise was fixed by the premises alone, before a sample was seen: no input, with the "
    "constant 1 of a bias, is longer than the radius, by the way inputs are made; initial weights "
    "and the order of batches do not depend on the samples.",
]
_INSTANCE = [
    "The bound was measured on this run. It holds for every set of deletions of this size, but "
    "sigma itself depends on the data, and who publishes it tells of them.",
    "Largest eigenvalues are as good as an iteration (Lanczos) finds them.",
]
_ALWAYS = [
    "The input of each sample is made from this sample alone. Where features were standardised by "
    "means over the samples, the other inputs tell of the deleted ones, and nothing here hides it.",
    "The model is one linear layer under the cross-entropy with a penalty on all weights, trained "
    "by plain SGD whose clip, if it has one, no retraining can reach.",
    "Retrained means: from the same initial weights with the same batches, in which the places of "
    "deleted samples stay empty; each takes its share of the penalty along (R2). It is published "
    "in the same way, with the same noise.",
    "Only what is published is covered. The weights before noise, the approximators of the samples "
    "that stay, the learned weights and whatever was published earlier without this noise are not.",
    "All is computed in double precision. Sums of weights and approximators are exact on their "
    "grid; for the run itself rounding is allowed for by the usual model, in which a sum of n "
    "terms is off by at most n units in the last place.",
    "The noise is taken to be exactly Gaussian, and drawn from a source that nobody can predict.",
]


def certify(
    premises: Premises | Run, *, deletions: int, epsilon: float, delta: float, releases: int = 1
) -> Certificate:
    """The noise with which HF-OCU's deletions are certified unlearning.

    Args:
        premises: for a public certificate. A run, with its weights at every step, for one that is
            measured on it and holds for it alone.
        deletions: m, the most samples that are deleted in all.
        epsilon: of certified unlearning, positive; for all releases together.
        delta: likewise, between 0 and 1.
        releases: 1: one release after at most m deletions, and then no more of either. k: so many
            releases, fixed now, with noise of its own each; m counts the deletions of all.

    Raises:
        ValueError: for a value out of its range; where there is no bound: a loss that is not
            convex, a clip that a retraining could reach, numbers that do not stay finite; or for
            something that is neither premises nor a run: no quantile of measured distances, of
            however many sets, is a bound.
    """
    run = premises if isinstance(premises, Run) else None
    if run is not None:
        premises = Premises.of(run, radius=longest_input(run))
    words = "Premises, or the run to measure on (an empirical quantile is no bound)"
    checks.instance("premises", premises, Premises, words)
    deletions = checks.integer("deletions", deletions, least=1, most=premises.n - 1)
    releases = checks.integer("releases", releases, least=1)
    scale = gaussian_scale(epsilon, delta) * math.sqrt(releases) * UPWARDS
    if run is None:
        kind, fingerprint, steps = "public", None, premises.steps(deletions)
    else:
        kind, fingerprint = "instance", run.fingerprint
        steps = list(constants.measured(run, deletions=deletions))
    exact = certified(steps, premises.schedule.clip).error[-1]
    sensitivity = with_roundoff(steps, premises, deletions)
    sigma = checks.finite("sigma", sensitivity * scale, above=0.0)
    return Certificate(kind, premises, fingerprint, deletions, releases, float(epsilon),
                       float(delta), exact, sensitivity, sigma)  # fmt: skip


def _check_approximators(run: Run, approximators: Approximators) -> None:
    """Refuse any but one row a sample of this run, under R2, in double precision."""
    words = "those that recollect gives"
    checks.instance("approximators", approximators, Approximators, words)
    vectors = approximators.vectors
    wanted = {
        "fingerprint": run.fingerprint, "convention": CONVENTION, "quirks": (), "sets": None,
        "first": 0, "shape": tuple(run.trajectory[0].expand(len(run.samples), -1).shape),
        "dtype": torch.float64,
    }  # fmt: skip
    given = {name: getattr(approximators, name) for name in list(wanted)[:5]}
    given |= {"shape": tuple(vectors.shape), "dtype": vectors.dtype}
    checks.same("approximators", wanted, given)
