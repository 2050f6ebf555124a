"""The released closed form against the sums that it stands for, and against known values."""

import math

import pytest

from unlearning.hfocu.released_sensitivity import released_sensitivity

MNIST = {"clip": 5.0, "batch_size": 32, "n": 1000, "epochs": 15}  # the published logistic setting
SMALL = {"clip": 2.0, "deletions": 3, "batch_size": 4, "n": 20, "epochs": 5}


@pytest.mark.parametrize(("m", "value"), [(1, 0.0930), (50, 4.1346)])
def test_values_measured_elsewhere(m, value):
    assert released_sensitivity(0.05, 0.995, deletions=m, **MNIST) == pytest.approx(value, abs=5e-5)


@pytest.mark.parametrize("radius", [0.7, 1.0, 1.01])
def test_corrected_it_is_the_sums(radius):
    """2 C times the way until each step, carried on; plus the uses of m samples, one an epoch."""
    eta, q, per_epoch = 0.1, 0.9, 5
    steps = 20 * 6 // 4
    way = 0.0
    for t in range(steps):
        gone = sum(eta * q**s for s in range(t))
        way += radius ** (steps - 1 - t) * eta * q**t * 2 * 2.0 * gone
    uses = sum((radius**per_epoch) ** (6 - e) * (q**per_epoch) ** (e + 1) for e in range(6))
    expected = way + 2 * eta * 2.0 * 3 / 4 * uses
    found = released_sensitivity(eta, q, radius=radius, corrected=True, **SMALL)
    assert found == pytest.approx(expected, rel=1e-10)


def test_the_released_first_term_is_too_small_by_the_square():
    none = {**SMALL, "deletions": 1, "clip": 1.0}
    as_coded, right = (released_sensitivity(0.1, 0.9, corrected=c, **none) for c in (False, True))
    steps, q, eta = 30, 0.9, 0.1
    uses = sum((q**5) ** (e + 1) for e in range(6)) * 2 * eta / 4
    assert (as_coded - uses) / (right - uses) == pytest.approx((1 - q) ** 2)
    assert steps == 20 * 6 / 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"decay": 1.0}, r"decay: expected a factor below 1 \(the form divides by zero at 1\)"),
        ({"radius": 0.9}, "radius: expected neither decay nor its square"),
        ({"radius": 0.9**2}, "radius: expected neither decay nor its square"),
        ({"radius": 1e30}, "radius: expected one whose powers are finite"),
        ({"radius": math.nan}, "radius: expected a finite number above 0"),
        ({"step_size": 0.0}, "step_size: expected a finite number above 0"),
        ({"clip": -1.0}, "clip: expected a finite number above 0"),
        ({"deletions": 21}, "deletions: expected an integer from 1 to 20"),
        ({"batch_size": 21}, "batch_size: expected an integer from 1 to 20"),
        ({"epochs": 0}, "epochs: expected an integer of at least 1"),
    ],
)
def test_what_has_no_value_is_refused(changes, message):
    given = {"step_size": 0.1, "decay": 0.9} | SMALL | changes
    with pytest.raises(ValueError, match=message):
        released_sensitivity(given.pop("step_size"), given.pop("decay"), **given)
