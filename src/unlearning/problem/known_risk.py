"""Problems whose population risk is known, so that excess risks need no test set.

Inputs are uniform over the ``2^p`` vectors with entries ``+-1/sqrt(p)``: every norm is 1, and
``E[x x^T] = I/p``. With ``v`` of equal entries and norm ``signal``, and no bias::

    squared         y = v.x + target_noise * (a fair sign)           loss (w.x - y)^2 / 2
    cross_entropy   class 1 with probability 1/(1 + exp(-v.x))       softmax over two classes

The risk is ``F(w) = E[l(w; z)] + l2/2 |w|^2``: the penalty is part of the loss, as in Sekhari et
al. (2021). For the squared loss all is closed form; for the cross-entropy expectations are sums
over all ``2^p`` inputs.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from unlearning.base import checks
from unlearning.problem.objective import LOSSES, Objective
from unlearning.problem.samples import Samples

#: Beyond it the sum over all inputs is refused.
MOST_FEATURES = 14
_NODES, _WEIGHTS = (torch.from_numpy(a) for a in np.polynomial.hermite_e.hermegauss(128))


@dataclass(frozen=True)
class Constants:
    """What is known of ``f = l + l2/2 |w|^2`` and of its mean F, by construction of the problem.

    Attributes:
        l2: strength of the penalty: f is that strongly convex.
        ball: radius of a ball around 0 that contains the minimiser of the mean of f over any
            samples, and plain gradient descent to it from 0 with steps of at most 1/curvature.
        slope: bound on the norm of the gradient of l in that ball.
        curvature: bound on the Hessian of f, everywhere.
        third: Lipschitz constant of that Hessian.
        risk_curvature: bound on the Hessian of F, everywhere.
        risk_trace: trace of a matrix that the Hessian of F exceeds nowhere.
        variance: ``E |grad f(w; z)|^2`` at the minimiser of F.
    """

    l2: float
    ball: float
    slope: float
    curvature: float
    third: float
    risk_curvature: float
    risk_trace: float
    variance: float

    @property
    def gradient(self) -> float:
        """Bound on the norm of the gradient of f in the ball."""
        return self.slope + self.l2 * self.ball


@dataclass(frozen=True)
class KnownRisk:
    """A problem with known population risk; see the head of the file.

    Args:
        loss: ``squared`` or ``cross_entropy``.
        features: p, the length of an input; at most 14 for the cross-entropy.
        l2: strength of the penalty, positive.
        signal: norm of v.
        target_noise: of the squared loss; the labels of the other have their own.

    Raises:
        ValueError: for a value out of its range.
    """

    loss: str = "squared"
    features: int = 8
    l2: float = 0.1
    signal: float = 1.0
    target_noise: float = 0.5

    def __post_init__(self):
        checks.choice("loss", self.loss, LOSSES)
        most = MOST_FEATURES if self.loss == "cross_entropy" else None
        checks.integer("features", self.features, least=1, most=most)
        checks.finite("l2", self.l2, above=0.0)
        checks.finite("signal", self.signal, least=0.0)
        checks.finite("target_noise", self.target_noise, least=0.0)

    @property
    def dimension(self) -> int:
        """Number of weights, d: p, or 2 p for the two classes."""
        return self.features * (1 if self.loss == "squared" else 2)

    def objective(self) -> Objective:
        """One linear layer without bias, starting at 0, in float64."""
        layer = nn.Linear(self.features, self.dimension // self.features, bias=False)
        nn.init.zeros_(layer.weight)
        return Objective(layer.double(), l2=self.l2, loss=self.loss)

    def draw(self, n: int, *, seed: int) -> Samples:
        """``n`` independent samples, in float64.

        Raises:
            ValueError: if n is not positive.
        """
        checks.integer("n", n, least=1)
        generator = torch.Generator().manual_seed(checks.integer("seed", seed, least=0))
        coins = torch.randint(2, (n, self.features), generator=generator).double()
        inputs = (2 * coins - 1) / self.features**0.5
        chance = torch.rand(n, generator=generator, dtype=torch.float64)
        values = inputs @ self._rule
        if self.loss == "squared":
            signs = (chance < 0.5).double().mul(2).sub(1)
            return Samples(inputs, values + self.target_noise * signs)
        return Samples(inputs, (chance < values.sigmoid()).long())

    @cached_property
    def best(self) -> torch.Tensor:
        """The minimiser of the population risk, shape ``[d]``."""
        if self.loss == "squared":
            return self._rule / (1 + self.features * self.l2)
        half = self._best_difference / 2
        return torch.cat([-half, half])

    def excess(self, w: torch.Tensor, *, sigma: float = 0.0) -> float:
        """Expected excess population risk of ``w [d]`` with Gaussian noise on every weight.

        Args:
            w: weights.
            sigma: standard deviation of the noise.

        Raises:
            ValueError: for weights of another shape, or a negative sigma.
        """
        if w.shape != (self.dimension,):
            checks.fail("w", f"shape [{self.dimension}]", list(w.shape))
        checks.finite("sigma", sigma, least=0.0)
        if self.loss == "squared":
            c = self.constants
            away = float((w.double() - self.best).square().sum())
            return c.risk_curvature * away / 2 + sigma**2 * c.risk_trace / 2
        return self._risk(w.double(), sigma) - self._risk(self.best, 0.0)

    @cached_property
    def leading(self) -> float:
        """``tr(H^-1 C) / 2``, H the Hessian of F and C the covariance of grad f, at the minimiser.

        Divided by n it is the excess risk of the minimiser over n samples, to leading order.
        """
        c = self.constants
        if self.loss == "squared":
            return c.variance / c.risk_curvature / 2
        x, away = self._inputs, self._residual_squares
        z = x @ self._best_difference
        s = z.sigmoid()
        # In the coordinates (w_1 - w_0)/sqrt(2); the loss does not see the others.
        hessian = _moment(x, 2 * s * (1 - s)) + self.l2 * torch.eye(self.features)
        mean = self.l2 * self._best_difference / 2**0.5
        covariance = _moment(x, 2 * away) - torch.outer(mean, mean)
        return float(torch.linalg.solve(hessian, covariance).trace()) / 2

    @cached_property
    def constants(self) -> Constants:
        """What holds by construction, without looking at samples."""
        p, l2 = self.features, self.l2
        size = float(self.best.square().sum())
        if self.loss == "squared":
            most = self.signal + self.target_noise  # of |y|
            ball = most / (2 * l2**0.5)
            residual = float((self.best - self._rule).square().sum()) / p
            residual += self.target_noise**2
            return Constants(l2, ball, ball + most, 1 + l2, 0.0, l2 + 1 / p, p * l2 + 1,
                             residual - l2**2 * size)  # fmt: skip
        ball = math.sqrt(2 * math.log(2) / l2)
        variance = 2 * float(self._residual_squares.mean()) - l2**2 * size
        return Constants(l2, ball, 2**0.5, 0.5 + l2, 6**0.5 / 9, l2 + 1 / (2 * p),
                         2 * p * l2 + 0.5, variance)  # fmt: skip

    @property
    def _rule(self) -> torch.Tensor:
        """v, shape ``[p]``."""
        return torch.full((self.features,), self.signal / self.features**0.5, dtype=torch.float64)

    @cached_property
    def _inputs(self) -> torch.Tensor:
        """All inputs, shape ``[2^p, p]``."""
        bits = torch.arange(2**self.features)[:, None] >> torch.arange(self.features) & 1
        return (2 * bits.double() - 1) / self.features**0.5

    @cached_property
    def _best_difference(self) -> torch.Tensor:
        """``w_1 - w_0`` at the minimiser, by Newton's method, shape ``[p]``."""
        x, u = self._inputs, torch.zeros(self.features, dtype=torch.float64)
        wanted = (x @ self._rule).sigmoid()
        for _ in range(50):
            s = (x @ u).sigmoid()
            gradient = (s - wanted) @ x / len(x) + self.l2 / 2 * u
            if float(gradient.norm()) < 1e-15:
                break
            hessian = _moment(x, s * (1 - s)) + self.l2 / 2 * torch.eye(self.features)
            u = u - torch.linalg.solve(hessian, gradient)
        return u

    @property
    def _residual_squares(self) -> torch.Tensor:
        """``E[(p_1 - y)^2 | x]`` at the minimiser, for every input."""
        chance, s = (
            (self._inputs @ self._rule).sigmoid(),
            (self._inputs @ self._best_difference).sigmoid(),
        )
        return chance * (1 - s) ** 2 + (1 - chance) * s**2

    def _risk(self, w: torch.Tensor, sigma: float) -> float:
        """Population risk of the cross-entropy; noise on the logits' difference by quadrature."""
        lower, upper = w.view(2, -1)
        z = self._inputs @ (upper - lower)
        noisy = z[:, None] + 2**0.5 * sigma * _NODES  # |x| = 1
        softplus = functional.softplus(noisy) @ _WEIGHTS / _WEIGHTS.sum()
        chance = (self._inputs @ self._rule).sigmoid()
        penalty = self.l2 / 2 * (float(w @ w) + self.dimension * sigma**2)
        return float((softplus - chance * z).mean()) + penalty


def _moment(x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Mean of ``weight x x^T`` over all inputs."""
    return (x * weights[:, None]).T @ x / len(x)
