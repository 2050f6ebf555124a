"""How far a secret string of digits stands out among all strings of its length.

A model of characters gives a string s after a prefix the probability ``p(s)``, digit after digit,
each with the true digits before it (teacher forcing). Its log-perplexity is ``-log2 p(s)`` bits,
and its rank the number of strings with at most as many bits. With R strings in all::

    exposure = log2 R - log2 rank                                          (Carlini et al. 2019)

It is 0 for the string that the model likes least and ``log2 R`` for the one it likes best. R is
``10^k`` here, too many to look at, so the rank is enclosed: ``Exposure`` says how.
"""

import functools
import math
from dataclasses import dataclass

import torch
from scipy import stats

from unlearning.base import checks
from unlearning.base.streams import stream
from unlearning.problem import characters
from unlearning.problem.characters import ALPHABET, DIGITS
from unlearning.problem.objective import Objective

_FIRST = ALPHABET.index(DIGITS[0])
#: Each of the four limits of ``_rank`` that rest on chance fails in at most so many cases.
_FAILS = 0.05 / 4
#: Bits by which two equal strings may differ through rounding, in double precision.
_TIE = 1e-9


@dataclass(frozen=True)
class Reader:
    """A model of characters that has read a prefix. It computes in double precision.

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

    @functools.cached_property
    def _model(self) -> tuple[Objective, torch.Tensor]:
        """In single precision a string would not even tie with itself in another batch."""
        return self.objective.to(torch.float64), self.weights.double()

    def bits(self, secrets: torch.Tensor) -> torch.Tensor:
        """Log-perplexity of strings of digits ``[r, k]`` on the true digits: shape ``[r]``."""
        return sum(self.bits_of_each(secrets).unbind(1))

    def bits_of_each(self, secrets: torch.Tensor) -> torch.Tensor:
        """``-log2`` of the probability of each digit after those before it: shape ``[r, k]``."""
        each = [self._log_shares(secrets[:, :i]) for i in range(secrets.shape[1])]
        logs = torch.stack(each, dim=1).gather(2, secrets[:, :, None] + _FIRST)[:, :, 0]
        return -logs / math.log(2)

    def digit_first(self) -> float:
        """log2 of m, the probability that a digit comes next: the same for all strings."""
        next_one = self._log_shares(torch.empty(1, 0, dtype=torch.int64))[0]
        return float(next_one[_FIRST : _FIRST + 10].logsumexp(0)) / math.log(2)

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
            The strings ``[count, digits]``, and the natural logarithm of the chance of each.
        """
        drawn = torch.empty(count, 0, dtype=torch.int64)
        chance = torch.zeros(count, dtype=torch.float64)
        for _ in range(digits):
            logs = self._among_digits(drawn)
            new = torch.multinomial(logs.exp(), 1, generator=generator)
            chance, drawn = chance + logs.gather(1, new)[:, 0], torch.cat([drawn, new], dim=1)
        return drawn, chance

    def chance(self, secrets: torch.Tensor) -> torch.Tensor:
        """Natural logarithm of the chance that ``sampled`` draws ``[r, k]`` strings: ``[r]``."""
        each = [
            self._among_digits(secrets[:, :i]).gather(1, secrets[:, i, None])[:, 0]
            for i in range(secrets.shape[1])
        ]
        return sum(each)

    def _among_digits(self, secrets: torch.Tensor) -> torch.Tensor:
        logs = self._log_shares(secrets)[:, _FIRST : _FIRST + 10]
        return logs.log_softmax(1)

    def _log_shares(self, secrets: torch.Tensor) -> torch.Tensor:
        """Log-probabilities of the next character after the prefix and some digits ``[r, i]``."""
        before = characters.encoded(self.prefix).expand(len(secrets), -1)
        return self._next(torch.cat([before, secrets + _FIRST], dim=1)[:, -self.length :])

    def _next(self, codes: torch.Tensor) -> torch.Tensor:
        objective, weights = self._model
        with torch.no_grad():
            inputs = characters.one_hot(codes, dtype=weights.dtype)
            return objective.outputs(weights, inputs).log_softmax(1)


@dataclass(frozen=True)
class Exposure:
    """A secret's bits, and what is known of its exposure, in bits.

    The exposure lies from ``low`` to ``high`` with a confidence of 95%. Three things enclose it.
    Strings that the model likes at least as much as the secret are at least as probable, and the
    probabilities of all strings add up to at most m, that a digit comes first: so there are at most
    ``m 2^bits`` of them. Then random strings, by the exact (binomial) limits of the share of hits
    among them. And strings drawn from the model's own distribution over digits, which see the tail
    that random strings miss: a hit has there a chance of ``1/(m 2^bits)`` or more, so a share s of
    hits stands for at most ``s m 2^bits`` strings.

    Attributes:
        bits: log-perplexity of the secret on its true digits.
        certain: the exposure is at least this, whatever was drawn: ``log2 R - log2(m 2^bits)``,
            with ``m 2^bits`` rounded down to a whole number of strings.
        low: lower end of the interval.
        high: upper end of the interval, ``log2 R`` if no other string at least as likely is known.
        hits: how many of the model's own strings are at least as likely, the secret not among them.
        counted: from the share of random strings with at most as many bits, the secret added to
            them; it ends at ``log2(count + 1)``.
        fitted: from a skew-normal distribution fitted to the bits of the random strings (Carlini et
            al. 2019): an extrapolation.
    """

    bits: float
    certain: float
    low: float
    high: float
    hits: int
    counted: float
    fitted: float


def exposure(reader: Reader, secret: str, *, count: int, seed: int) -> Exposure:
    """Enclose and estimate the exposure of a secret.

    Args:
        reader: the model, after what comes before the secret.
        secret: digits.
        count: of the random strings, and of the strings that the model draws.
        seed: of both. They come from a stream of their own (``base/streams``, "exposure"), so that
            a secret made with the same seed is not the first of them.

    Raises:
        ValueError: for a secret with anything but digits, or fewer than 10 strings.
    """
    if not secret or set(secret) - set(DIGITS):
        checks.fail("secret", "digits", repr(secret))
    checks.integer("count", count, least=10)
    generator, k = stream("exposure", seed), len(secret)
    true = torch.tensor([[int(digit) for digit in secret]])
    random = torch.randint(10, (count, k), generator=generator)
    own, chance = reader.sampled(count, k, generator)
    together = torch.cat([true, random, own])
    all_bits = reader.bits(together)
    bits, of_random = float(all_bits[0]), all_bits[1 : count + 1]
    other = (all_bits <= bits + _TIE) & (together != true).any(1)
    at_random, drawn = other[1 : count + 1], other[count + 1 :]
    inside = bits + reader.digit_first()
    least, most = _rank(inside, 10**k, at_random, chance[drawn] / math.log(2), count)
    return Exposure(
        bits=bits,
        certain=math.log2(10**k / _most(inside, 10**k)),
        low=math.log2(10**k / most),
        high=math.log2(10**k / least),
        hits=int(drawn.sum()),
        counted=math.log2((count + 1) / (1 + int(at_random.sum()))),
        fitted=fitted_exposure(of_random, bits),
    )


def fitted_exposure(of_random: torch.Tensor, bits: float) -> float:
    """``-log2`` of the share below ``bits`` of a skew-normal fitted to ``of_random [r]``."""
    values = of_random.double().numpy()
    share = stats.skewnorm.logcdf(bits, *stats.skewnorm.fit(values))
    return float(-share / math.log(2))


def _most(inside: float, total: int) -> float:
    """The most strings that can be as likely as the secret: a whole number."""
    if inside >= math.log2(total):
        return float(total)
    return max(1, math.floor(2.0 ** (inside + _TIE)))


def _rank(inside: float, total: int, at_random: torch.Tensor, chances: torch.Tensor, count: int):
    """The least and the largest rank, each right in 97.5% of all cases.

    Args:
        inside: bits of the secret, given that a digit comes first: ``log2(m 2^bits)``.
        total: R.
        at_random: which of the random strings are hits, ``[count]``.
        chances: log2 of the chance of each of the model's own strings that is a hit.
        count: how many strings the model has drawn.
    """
    few, many = _share(int(at_random.sum()), count, _FAILS)
    # Beyond log2 R nothing can be concluded from the model's own strings that counting does not.
    capped = min(inside, math.log2(total))
    # Hits with a chance of at most c are at least (their share) / c strings. c takes the values
    # 2^-capped, 2^(1-capped) and so on; each limit may fail the less often for there being many.
    steps = range(math.ceil(capped) + 1)
    known = 0.0
    for step in steps:
        hits = int((chances <= step - capped + _TIE).sum())
        share = _share(hits, count, _FAILS / len(steps))[0]
        known = max(known, share * 2.0 ** (capped - step))
    own = total if capped < inside else _share(len(chances), count, _FAILS)[1] * 2.0**inside
    least = 1 + max(total * few, known)
    most = min(1 + math.floor(min(total * many, own, total - 1)), _most(inside, total))
    return min(least, most), most


def _share(hits: int, count: int, fails: float) -> tuple[float, float]:
    """Two one-sided limits of a share, by Clopper and Pearson: each fails at most so often."""
    low = stats.beta.ppf(fails, hits, count - hits + 1) if hits else 0.0
    high = stats.beta.isf(fails, hits + 1, count - hits) if hits < count else 1.0
    return float(low), float(high)
