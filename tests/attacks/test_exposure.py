"""Exposure, against every string there is, written out one by one."""

import itertools
import math
from dataclasses import dataclass, field

import pytest
import torch
from scipy import stats

import unlearning as ul
from unlearning.attacks import exposure as exposure_module
from unlearning.attacks.exposure import Exposure, Reader, exposure, fitted_exposure
from unlearning.problem.characters import ALPHABET, CharacterLSTM, encoded, one_hot

PREFIX = "my number is "
LENGTH = 6


def reader(size=1.0, seed=3, digits=0.0):
    """``digits``: how much larger the scores of digits are than those of letters."""
    objective = ul.Objective(CharacterLSTM(4, seed=seed, dtype=torch.float64))
    weights = size * objective.initial_weights
    weights[-10:] += digits  # of the head's biases
    return Reader(objective, weights, PREFIX, LENGTH)


def bits_by_hand(r, secret):
    """One character after the other, one window at a time."""
    module, total, text = r.objective.module(r.weights), 0.0, PREFIX
    for digit in secret:
        window = one_hot(encoded(text[-LENGTH:]), dtype=torch.float64)[None]
        total -= math.log2(module(window).softmax(1)[0, ALPHABET.index(digit)])
        text += digit
    return total


def every(k):
    return ["".join(digits) for digits in itertools.product("0123456789", repeat=k)]


def codes(secrets):
    return torch.tensor([[int(digit) for digit in secret] for secret in secrets])


def true_exposure(r, secret):
    bits = r.bits(codes(every(len(secret))))
    rank = int((bits <= float(r.bits(codes([secret]))) + 1e-9).sum())
    return math.log2(len(bits) / rank)


def test_bits_are_those_of_one_window_after_the_other():
    r, secrets = reader(3.0), ["0415", "9999", "1230"]
    expected = [bits_by_hand(r, secret) for secret in secrets]
    assert r.bits(codes(secrets)).tolist() == pytest.approx(expected, abs=1e-12)
    each = r.bits_of_each(codes(secrets))
    assert each.shape == (3, 4)
    assert each[0].sum().item() == pytest.approx(expected[0])


def test_the_greedy_text_and_its_bits():
    r, text, bits = reader(6.0), PREFIX, 0.0
    for _ in range(5):
        window = one_hot(encoded(text[-LENGTH:]), dtype=torch.float64)[None]
        shares = r.objective.module(r.weights)(window).softmax(1)[0]
        text, bits = text + ALPHABET[int(shares.argmax())], bits - math.log2(shares.max())
    found, found_bits = r.greedy(5)
    assert found == text[len(PREFIX) :]
    assert found_bits == pytest.approx(bits, abs=1e-12)


@pytest.mark.parametrize("size", [1.0, 8.0])
def test_the_chances_of_sampled_strings_add_up_to_one(size):
    r = reader(size)
    assert float(r.chance(codes(every(3))).exp().sum()) == pytest.approx(1.0)
    drawn, chance = r.sampled(50, 3, torch.Generator().manual_seed(1))
    torch.testing.assert_close(chance, r.chance(drawn), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("size", "digits"), [(1.0, 0.0), (8.0, 0.0), (8.0, 30.0), (25.0, 50.0)])
@pytest.mark.parametrize("quantile", [0, 1, 30, 500, 999])
def test_the_interval_against_all_strings(size, digits, quantile):
    """With 1,000 strings in all, the truth is known; the likeliest one included."""
    r, all_strings = reader(size, digits=digits), every(3)
    order = r.bits(codes(all_strings)).argsort()
    secret = all_strings[int(order[quantile])]
    truth = true_exposure(r, secret)
    found = [exposure(r, secret, count=2000, seed=seed) for seed in range(3)]
    held = [one.low - 1e-9 <= truth <= one.high + 1e-9 for one in found]
    assert sum(held) >= 2  # each does in 95% of all cases or more
    for one in found:
        assert one.certain <= truth + 1e-9
        assert one.certain <= one.low <= one.high <= 3 * math.log2(10)
        if quantile >= 30:
            assert one.high - one.low < 1.2
            assert one.counted == pytest.approx(truth, abs=0.7)


def test_how_likely_a_digit_comes_first():
    for digits in (0.0, 2.0):
        r = reader(3.0, digits=digits)
        window = one_hot(encoded(PREFIX[-LENGTH:]), dtype=torch.float64)[None]
        shares = r.objective.module(r.weights)(window).softmax(1)[0]
        expected = sum(shares[ALPHABET.index(digit)] for digit in "0123456789")
        assert 2 ** r.digit_first() == pytest.approx(float(expected), abs=1e-12)


@pytest.mark.parametrize("digits", [0.0, 50.0])
@pytest.mark.parametrize("size", [1.0, 8.0, 25.0])
def test_the_certain_bound_holds_for_every_string(size, digits):
    r = reader(size, digits=digits)
    bits = r.bits(codes(every(3)))
    ranks = (bits[None] <= bits[:, None] + 1e-9).sum(1)
    most = [exposure_module._most(float(b) + r.digit_first(), 1000) for b in bits]
    assert bool((ranks <= torch.tensor(most)).all())
    if size == 25.0 and digits:
        assert min(most) < 10  # of a sure model it says something


def test_so_many_intervals_hold_the_truth_as_they_say(monkeypatch):
    monkeypatch.setattr(exposure_module, "fitted_exposure", lambda *_: 0.0)
    missed, tried = 0, 0
    for size in (3.0, 12.0):
        r = reader(size, digits=30.0)
        order = r.bits(codes(every(3))).argsort()
        for quantile in (2, 20, 100, 400):
            secret = every(3)[int(order[quantile])]
            truth = true_exposure(r, secret)
            for seed in range(25):
                found = exposure(r, secret, count=100, seed=seed)
                missed += not found.low - 1e-9 <= truth <= found.high + 1e-9
                tried += 1
    assert missed <= 0.05 * tried


def test_limits_of_a_share():
    """Against the definition: with the limit as the share, so few or many hits are that rare."""
    for hits, count in ((0, 500), (3, 500), (250, 500), (500, 500)):
        low, high = exposure_module._share(hits, count, 0.02)
        if hits:
            assert stats.binom.sf(hits - 1, count, low) == pytest.approx(0.02)
        if hits < count:
            assert stats.binom.cdf(hits, count, high) == pytest.approx(0.02)
    assert exposure_module._share(0, 500, 0.02)[0] == 0.0
    assert exposure_module._share(500, 500, 0.02)[1] == 1.0


def test_no_hit_is_no_proof_of_the_largest_exposure():
    """Digits that are nearly alike, and a secret that 30 strings are likelier than."""
    r = reader(2.0)
    secret = every(4)[int(r.bits(codes(every(4))).argsort()[30])]
    found = [exposure(r, secret, count=30, seed=seed) for seed in range(8)]
    none = [one for one in found if one.hits == 0 and one.counted == math.log2(31)]
    assert none
    truth = math.log2(1e4 / 31)
    for one in none:
        assert one.high == math.log2(1e4)
        assert one.low < truth < one.high


def test_the_interval_reaches_where_counting_ends():
    """Of a model that knows its string: six digits, the likeliest of a million."""
    r = reader(25.0, digits=50.0)
    drawn, _ = r.sampled(4000, 6, torch.Generator().manual_seed(5))
    best = drawn[r.bits(drawn).argmin()]
    found = exposure(r, "".join(map(str, best.tolist())), count=2000, seed=2)
    assert found.counted <= math.log2(2001) < found.low
    assert found.high <= 6 * math.log2(10) + 1e-9


@dataclass(frozen=True)
class Watched(Reader):
    """Keeps the strings that it is asked about."""

    seen: list = field(default_factory=list)

    def bits(self, secrets):
        self.seen.append(secrets)
        return super().bits(secrets)


@pytest.mark.parametrize("seed", [0, 42, 124, 930])
def test_a_secret_made_with_the_same_seed_is_none_of_the_strings(seed):
    r = reader()
    watched = Watched(r.objective, r.weights, PREFIX, LENGTH)
    secret = torch.randint(10, (10,), generator=torch.Generator().manual_seed(seed))
    torch.manual_seed(seed)
    assert torch.equal(torch.randint(10, (10,)), secret)
    exposure(watched, "".join(map(str, secret.tolist())), count=500, seed=seed)
    (strings,) = watched.seen
    assert torch.equal(strings[0], secret)
    assert len(strings) == 1001
    assert not bool((strings[1:] == secret).all(1).any())


def test_a_string_ties_with_itself_in_single_precision_too():
    """Scored alone or among a thousand, it has the same bits."""
    objective = ul.Objective(CharacterLSTM(16, seed=3, dtype=torch.float32))
    r = Reader(objective, 8 * objective.initial_weights, PREFIX, LENGTH)
    strings = codes(every(3))
    alone = torch.cat([r.bits(strings[i : i + 1]) for i in range(0, 1000, 50)])
    assert bool(((alone - r.bits(strings)[::50]).abs() < exposure_module._TIE).all())


def test_the_fit_on_numbers_of_that_distribution():
    values = torch.from_numpy(stats.skewnorm.rvs(2.0, 30.0, 5.0, size=4000, random_state=1))
    for bits in (25.0, 30.0):
        expected = -stats.skewnorm.logcdf(bits, 2.0, 30.0, 5.0) / math.log(2)
        assert fitted_exposure(values, bits) == pytest.approx(expected, rel=0.15)


def test_it_is_repeatable():
    first, second = (exposure(reader(), "123", count=100, seed=4) for _ in range(2))
    assert isinstance(first, Exposure)
    assert first == second


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("", 100), "secret: expected digits"),
        (("12a", 100), "secret: expected digits"),
        (("123", 5), "count: expected an integer of at least 10"),
    ],
)
def test_refused(arguments, message):
    secret, count = arguments
    with pytest.raises(ValueError, match=message):
        exposure(reader(), secret, count=count, seed=0)


def test_a_prefix_shorter_than_a_window_is_refused():
    r = reader()
    with pytest.raises(ValueError, match="length: expected an integer from 1 to 3"):
        Reader(r.objective, r.weights, "is ", LENGTH)
