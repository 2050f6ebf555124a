"""What the machine gives, and what is timed on one thread."""

import pytest
import torch

from benchmarks import clock


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
