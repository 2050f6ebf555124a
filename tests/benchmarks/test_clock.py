"""Medians and quartiles, cold calls apart, ways in turns."""

import numpy as np
import pytest
import torch

from benchmarks import clock


def test_ways_are_timed_in_turns_and_prepared_each_time():
    calls = []
    ways = {
        "a": clock.Way(lambda: calls.append("a"), prepare=lambda: calls.append("ready")),
        "b": clock.Way(lambda: calls.append("b")),
    }
    times = clock.compare(ways, repeats=2, warmups=1)
    assert calls == ["ready", "a", "b"] * 3
    assert [len(times[name]["rounds_ms"]) for name in "ab"] == [2, 2]


def test_summary_leaves_cold_and_warm_up_calls_out():
    warm = [3.0, 1.0, 2.0, 10.0]
    found = clock.summary([99.0, 50.0, *warm], warmups=2)
    quartiles = np.percentile(warm, [25, 50, 75])
    assert [found[key] for key in ("lower_ms", "median_ms", "upper_ms")] == pytest.approx(quartiles)
    assert (found["cold_ms"], found["least_ms"], found["repeats"]) == (99.0, 1.0, 4)


def test_time_of_a_part():
    seconds = clock.compare({"whole": clock.Way(lambda: sum(range(10**6)))}, repeats=3)
    parts = clock.compare({"part": clock.Way(lambda: sum(range(10**6)), count=1000)}, repeats=3)
    assert parts["part"]["least_ms"] < seconds["whole"]["least_ms"] / 100


def test_ratio_pairs_the_rounds():
    slow, fast = {"rounds_ms": [10.0, 40.0, 90.0]}, {"rounds_ms": [1.0, 2.0, 3.0]}
    assert clock.ratio(slow, fast) == {"median": 20.0, "lower": 15.0, "upper": 25.0}


def test_ceilings_are_rates():
    ceilings = clock.Ceilings()
    times = {
        "matrix product": {"median_ms": 10.0, "least_ms": 5.0},
        "copy": {"median_ms": 2.0, "least_ms": 1.0},
    }
    found = ceilings.found(times)
    assert found["gflops"] == pytest.approx(2 * 2048**3 / 0.01 / 1e9)
    assert found["copy_gbs"] == pytest.approx(2 * 4 * 2**24 / 0.002 / 1e9)
    assert found["gflops_best"] == 2 * found["gflops"]


def test_one_thread_is_for_the_work_alone():
    before, seen = torch.get_num_threads(), []
    torch.set_num_threads(2)
    try:
        clock.on_one_thread(lambda: seen.append(torch.get_num_threads()))()
        assert (seen, torch.get_num_threads()) == ([1], 2)
    finally:
        torch.set_num_threads(before)


def test_the_faster_way_has_the_smaller_median():
    times = {"a": {"median_ms": 2.0}, "b": {"median_ms": 1.0}, "c": {"median_ms": 0.5}}
    assert clock.faster(times, "ab") == "b"
