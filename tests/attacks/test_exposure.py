"""Exposure, against every string there is, written out one by one."""

import itertools
import math

import pytest
import torch
from scipy import stats

import unlearning as ul
from unlearning.attacks.exposure import Exposure, Reader, exposure, fitted_exposure
from unlearning.problem.characters import ALPHABET, CharacterLSTM, encoded, one_hot

PREFIX = "my number is "
LENGTH = 6


def reader(size=1.0, seed=3):
    objective = ul.Objective(CharacterLSTM(4, seed=seed, dtype=torch.float64))
    return Reader(objective, size * objective.initial_weights, PREFIX, LENGTH)


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


@pytest.mark.parametrize("size", [1.0, 8.0])
@pytest.mark.parametrize("quantile", [0, 1, 30, 500, 999])
def test_estimates_against_all_strings(size, quantile):
    """With 1,000 strings in all, the truth is known; the likeliest one included."""
    r, all_strings = reader(size), every(3)
    order = r.bits(codes(all_strings)).argsort()
    secret = all_strings[int(order[quantile])]
    found = exposure(r, secret, count=4000, seed=2)
    truth = true_exposure(r, secret)
    assert found.sampled == pytest.approx(truth, abs=0.35)
    if quantile >= 30:
        assert found.counted == pytest.approx(truth, abs=0.35)


def test_the_sampled_estimate_reaches_where_counting_ends():
    """Of a model that knows its string: six digits, the likeliest of a million."""
    r = reader(25.0)
    drawn, _ = r.sampled(4000, 6, torch.Generator().manual_seed(5))
    best = drawn[r.bits(drawn).argmin()]
    found = exposure(r, "".join(map(str, best.tolist())), count=2000, seed=2)
    assert found.counted <= math.log2(2001)
    assert found.sampled > math.log2(2001)
    assert found.sampled <= 6 * math.log2(10) + 1e-9


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
