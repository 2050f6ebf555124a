"""Medians and quartiles, cold calls apart, ways in turns; exponents of power laws."""

import numpy as np
import pytest
from scipy import optimize

from unlearning.base import timing


def test_ways_are_timed_in_turns_and_prepared_each_time():
    calls = []
    ways = {
        "a": timing.Way(lambda: calls.append("a"), prepare=lambda: calls.append("ready")),
        "b": timing.Way(lambda: calls.append("b")),
    }
    times = timing.compare(ways, repeats=2, warmups=1)
    assert calls == ["ready", "a", "b"] * 3
    assert [len(times[name]["rounds_ms"]) for name in "ab"] == [2, 2]


def test_summary_leaves_cold_and_warm_up_calls_out():
    warm = [3.0, 1.0, 2.0, 10.0]
    found = timing.summary([99.0, 50.0, *warm], warmups=2)
    quartiles = np.percentile(warm, [25, 50, 75])
    assert [found[key] for key in ("lower_ms", "median_ms", "upper_ms")] == pytest.approx(quartiles)
    assert (found["cold_ms"], found["least_ms"], found["repeats"]) == (99.0, 1.0, 4)


def test_time_of_a_part():
    seconds = timing.compare({"whole": timing.Way(lambda: sum(range(10**6)))}, repeats=3)
    part = timing.Way(lambda: sum(range(10**6)), count=1000)
    parts = timing.compare({"part": part}, repeats=3)
    assert parts["part"]["least_ms"] < seconds["whole"]["least_ms"] / 100


def test_ratio_pairs_the_rounds():
    slow, fast = {"rounds_ms": [10.0, 40.0, 90.0]}, {"rounds_ms": [1.0, 2.0, 3.0]}
    assert timing.ratio(slow, fast) == {"median": 20.0, "lower": 15.0, "upper": 25.0}


def test_slope_of_a_power_law():
    sizes = [1, 2, 4, 8]
    found = timing.slope(sizes, [3 * s**1.5 for s in sizes])
    assert found["slope"] == pytest.approx(1.5)
    assert found["standard error"] == pytest.approx(0, abs=1e-6)


def test_slope_of_a_crooked_line_is_that_of_another_fit():
    sizes, times = [1, 2, 4, 8], [1, 2, 5, 8]
    found = timing.slope(sizes, times)
    fit, cov = optimize.curve_fit(lambda x, a, b: a + b * x, np.log(sizes), np.log(times))
    assert found["slope"] == pytest.approx(fit[1])
    assert found["standard error"] == pytest.approx(cov[1, 1] ** 0.5)
    # Two degrees of freedom: Student's quantile is 4.3027.
    assert found["high"] - found["slope"] == pytest.approx(4.3027 * cov[1, 1] ** 0.5, rel=1e-4)
    assert found["slope"] - found["low"] == pytest.approx(4.3027 * cov[1, 1] ** 0.5, rel=1e-4)


@pytest.mark.parametrize(("sizes", "times"), [([1, 2], [1, 2]), ([1, 2, 3], [1, 2])])
def test_a_slope_needs_three_points(sizes, times):
    with pytest.raises(ValueError, match="times: expected three or more"):
        timing.slope(sizes, times)
