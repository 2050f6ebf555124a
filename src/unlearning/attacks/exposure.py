"""How far a secret string of digits stands out among all strings of its length.

A model of characters gives a string s after a prefix the probability ``p(s)``, digit after digit,
each with the true digits before it (teacher forcing). Its log-perplexity is ``-log2 p(s)`` bits,
and its rank the number of strings with at most as many bits. With R strings in all::

    exposure = log2 R - log2 rank                                          (Carlini et al. 2019)

It is 0 for the string that the model likes least and ``log2 R`` for the one it likes best. R is
``10^k`` here, so ranks are estimated, as shares of all strings, in three ways.
"""

import math
from dataclasses import dataclass

import torch
from scipy import stats

from unlearning.base import checks
from unlearning.problem import characters
from unlearning.problem.characters import ALPHABET, DIGITS
from unlearning.problem.objective import Objective

_FIRST = ALPHABET.index(DIGITS[0])


@dataclass(frozen=True)
class Reader:
    """A model of characters that has read a prefix.

    Args:
        objective: of a model that maps windows ``[b, length, 37]`` to scores ``[b, 37]``.
        weights: shape ``[d]``.
        prefix: what comes before the digits, at least ``length`` characters.
        length: of the model's windows.

    Raises:
        ValueError: for a prefix that is too short, or another character.
    """

    objective: Objective
    weights: torch.Tensor
    prefix: str
    length: int

    def __post_init__(self):
        checks.integer("length", self.length, least=1, most=len(self.prefix))
        characters.encoded(self.prefix)

    def bits(self, secrets: torch.Tensor) -> torch.Tensor:
        """Log-perplexity of strings of digits ``[r, k]`` on the true digits: shape ``[r]``."""
        return sum(self.bits_of_each(secrets).unbind(1))

    def bits_of_each(self, secrets: torch.Tensor) -> torch.Tensor:
        """``-log2`` of the probability of each digit after those before it: shape ``[r, k]``."""
        each = [self._log_shares(secrets[:, :i]) for i in range(secrets.shape[1])]
        logs = torch.stack(each, dim=1).gather(2, secrets[:, :, None] + _FIRST)[:, :, 0]
        return -logs.double() / math.log(2)

    def greedy(self, count: int) -> tuple[str, float]:
        """The likeliest character, again and again, with its bits: ``count`` of them.

        These are bits of the model's own text, not of a secret: where it leaves the secret, what
        follows is conditioned on something else.
        """
        text, bits = self.prefix, 0.0
        for _ in range(count):
            best = self._next(characters.encoded(text[-self.length :])[None])[0].max(0)
            text, bits = text + ALPHABET[int(best.indices)], bits - float(best.values)
        return text[len(self.prefix) :], bits / math.log(2)

    def sampled(self, count: int, digits: int, generator: torch.Generator):
        """Strings drawn from the model, digit after digit, among digits alone.

        Returns:
            The strings ``[count, digits]`` and the logarithm of the chance of each ``[count]``.
        """
        drawn = torch.empty(count, 0, dtype=torch.int64)
        chance = torch.zeros(count, dtype=torch.float64)
        for _ in range(digits):
            logs = self._among_digits(drawn)
            new = torch.multinomial(logs.exp(), 1, generator=generator)
            chance, drawn = chance + logs.gather(1, new)[:, 0], torch.cat([drawn, new], dim=1)
        return drawn, chance

    def chance(self, secrets: torch.Tensor) -> torch.Tensor:
        """Logarithm of the chance that ``sampled`` draws each string ``[r, k]``: shape ``[r]``."""
        each = [
            self._among_digits(secrets[:, :i]).gather(1, secrets[:, i, None])[:, 0]
            for i in range(secrets.shape[1])
        ]
        return sum(each)

    def _among_digits(self, secrets: torch.Tensor) -> torch.Tensor:
        logs = self._log_shares(secrets)[:, _FIRST : _FIRST + 10]
        return logs.double().log_softmax(1)

    def _log_shares(self, secrets: torch.Tensor) -> torch.Tensor:
        """Log-probabilities of the next character after the prefix and some digits ``[r, i]``."""
        before = characters.encoded(self.prefix).expand(len(secrets), -1)
        return self._next(torch.cat([before, secrets + _FIRST], dim=1)[:, -self.length :])

    def _next(self, codes: torch.Tensor) -> torch.Tensor:
        inputs = characters.one_hot(codes, dtype=self.weights.dtype)
        with torch.no_grad():
            return self.objective.outputs(self.weights, inputs).log_softmax(1)


@dataclass(frozen=True)
class Exposure:
    """A secret's bits, and estimates of its exposure, in bits.

    Attributes:
        bits: log-perplexity of the secret on its true digits.
        counted: from the share of random strings with at most as many bits, the secret among them;
            it ends at ``log2(count + 1)``.
        fitted: from a skew-normal distribution fitted to the bits of the random strings (Carlini et
            al. 2019): an extrapolation.
        sampled: from strings half of which the model itself proposes, weighted to stand for random
            ones; unbiased for the share, which is then kept between 1/R and 1.
    """

    bits: float
    counted: float
    fitted: float
    sampled: float


def exposure(reader: Reader, secret: str, *, count: int, seed: int) -> Exposure:
    """Estimate the exposure of a secret.

    Args:
        reader: the model, after what comes before the secret.
        secret: digits.
        count: of the random strings, and of those that the model helps to propose.
        seed: of both.

    Raises:
        ValueError: for a secret with anything but digits, or fewer than 10 strings.
    """
    if not secret or set(secret) - set(DIGITS):
        checks.fail("secret", "digits", repr(secret))
    checks.integer("count", count, least=10)
    generator = torch.Generator().manual_seed(checks.integer("seed", seed, least=0))
    true = torch.tensor([[int(digit) for digit in secret]])
    bits = float(reader.bits(true))
    random = torch.randint(10, (count, len(secret)), generator=generator)
    of_random = reader.bits(random)
    counted = math.log2((count + 1) / (1 + int((of_random <= bits).sum())))
    share = _share_at_most(reader, bits, random[: count // 2], count - count // 2, generator)
    sampled = -math.log2(min(1.0, max(share, 10.0 ** -len(secret))))
    return Exposure(bits, counted, fitted_exposure(of_random, bits), sampled)


def fitted_exposure(of_random: torch.Tensor, bits: float) -> float:
    """``-log2`` of the share below ``bits`` of a skew-normal fitted to ``of_random [r]``."""
    values = of_random.double().numpy()
    share = stats.skewnorm.logcdf(bits, *stats.skewnorm.fit(values))
    return float(-share / math.log(2))


def _share_at_most(reader: Reader, bits: float, random: torch.Tensor, more: int, generator):
    """Share of all strings with at most ``bits``, by sampling with weights.

    Strings come from the uniform distribution u (``random``) and ``more`` of them from the model's
    own q. Each is weighted by ``u / (a u + (1 - a) q)`` with a the share of the first kind: the
    mean of weight times indicator has the wanted expectation, and no weight exceeds 1/a.
    """
    drawn, chance = reader.sampled(more, random.shape[1], generator)
    both, q = torch.cat([random, drawn]), torch.cat([reader.chance(random), chance]).exp()
    u, a = 10.0 ** -both.shape[1], len(random) / len(both)
    # A string from the model's own list may tie with the secret up to rounding.
    low = (reader.bits(both) <= bits + 1e-6).double()
    return float((low * u / (a * u + (1 - a) * q)).mean())
