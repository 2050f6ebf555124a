"""Amounts of memory: parsing, showing, what is free (made-up systems), what fits."""

from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unlearning.base import memory
from unlearning.base.memory import available, fit, shown, size

UNITS = {
    "": 1, "B": 1, "kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
}  # fmt: skip


@given(st.integers(1, 10**6), st.sampled_from(list(UNITS)), st.sampled_from(["", " ", "  "]))
def test_whole_amounts_are_exact_in_any_unit_and_case(count, unit, space):
    for name in (unit, unit.lower(), unit.upper()):
        assert size(f"{space}{count}{space}{name}{space}") == count * UNITS[unit]


@given(st.integers(0, 10**4), st.integers(1, 999), st.sampled_from(list(UNITS)[2:]))
def test_fractions_are_rounded_down(whole, thousandths, unit):
    expected = (1000 * whole + thousandths) * UNITS[unit] // 1000
    assert size(f"{whole}.{thousandths:03d} {unit}") == expected


@given(st.integers(1, 2**50))
def test_what_is_shown_is_read_as_nearly_the_same(count):
    near, above = size(shown(count)), size(shown(count, up=True))
    assert abs(near - count) <= 0.05 * count + 1
    assert count <= above <= 1.1 * count + 1
    assert size(count) == size(str(count)) == count


def test_amounts_as_text():
    assert size("2GiB") == 2 * 1024**3
    assert size("512 MiB") == 512 * 1024**2
    assert size("1.5GB") == 1_500_000_000
    assert size(4096) == 4096
    assert [shown(n) for n in (0, 1023, 1024, 1.9 * 2**30, 2**30 - 1, 3 * 2**50)] == [
        "0 B", "1023 B", "1.0 KiB", "1.9 GiB", "1.0 GiB", "3072.0 TiB",
    ]  # fmt: skip
    assert shown(2**30 + 1, up=True) == "1.1 GiB"


@pytest.mark.parametrize(
    "text",
    ["", "GiB", "-1 GiB", "1 GiBs", "1,5 GB", "1e9", "1.GB", ".5GB", "2 G", "٣GB", "1 GiB 2", "nan",
     0, -1, 1.5, True, None, "0", "0.0 GB", "0.4 B", [1]],
)  # fmt: skip
def test_anything_else_is_refused_with_the_forms_that_are_known(text):
    with pytest.raises(ValueError, match="--cache: expected .*512 MiB.*1.5GB.*, got"):
        size(text, "--cache")


@given(
    st.integers(0, 1000), st.integers(0, 100), st.integers(1, 50), st.integers(0, 3000)
)  # fmt: skip
def test_as_many_as_fit(fixed, per_item, wanted, allowed):
    counts = [c for c in range(1, wanted + 1) if fixed + c * per_item <= allowed]
    if counts:
        assert fit(fixed, per_item, wanted, allowed, "rows", "--memory") == max(counts)
    else:
        with pytest.raises(ValueError, match="memory: expected at least"):
            fit(fixed, per_item, wanted, allowed, "rows", "--memory")


def test_what_does_not_fit_is_said_with_all_amounts():
    with pytest.raises(ValueError) as error:  # noqa: PT011
        fit(2**30, 2**29 + 1, 600, 2**30, "the approximators of a chunk", "free at the moment")
    assert str(error.value) == (
        "memory: expected at least 1.6 GiB for the approximators of a chunk "
        "(fixed 1.0 GiB + one 512.0 MiB of 600), got 1.0 GiB (free at the moment)"
    )


@given(st.integers(0, 2**45), st.integers(1, 2**45))
def test_the_amount_asked_for_is_enough(fixed, per_item):
    with pytest.raises(ValueError, match="memory") as error:
        fit(fixed, per_item, 3, 0, "x", "y")
    asked = str(error.value).split("at least ")[1].split(" for x")[0]
    assert fit(fixed, per_item, 3, size(asked), "x", "y") >= 1


def test_counts_and_bytes_that_are_none_are_refused():
    for arguments, name in (((-1, 1, 1), "fixed"), ((1, -1, 1), "per_item"), ((1, 1, 0), "wanted")):
        with pytest.raises(ValueError, match=f"{name}: expected"):
            fit(*arguments, 100, "x", "y")


# A made-up system: 8 GiB available, and control groups of either version.


@pytest.fixture
def system(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "ROOT", tmp_path)

    def put(path, text):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    put("proc/meminfo", "MemTotal: 16777216 kB\nMemFree: 1 kB\nMemAvailable:  8388608 kB\n")
    return put


GIB = 2**30


def group(put, path, limit, use, files, version=2):
    names = {2: ("memory.max", "memory.current", ""), 1: ("memory.limit_in_bytes",
             "memory.usage_in_bytes", "total_")}[version]  # fmt: skip
    put(f"sys/fs/cgroup/{path}/{names[0]}", f"{limit}\n")
    put(f"sys/fs/cgroup/{path}/{names[1]}", f"{use}\n")
    wrong = "inactive_file 1\n" if version == 1 else ""
    put(f"sys/fs/cgroup/{path}/memory.stat", f"anon 5\n{wrong}{names[2]}inactive_file {files}\n")


def test_without_control_groups_it_is_what_linux_calls_available(system):
    assert available() == available("cpu") == available(torch.device("cpu")) == 8 * GIB


def test_the_group_of_the_process_bounds_it(system):
    system("proc/self/cgroup", "0::/user/job\n")
    group(system, "user/job", 3 * GIB, 2 * GIB, GIB // 2)
    assert available() == 1.5 * GIB


def test_a_group_around_it_bounds_it_too(system):
    system("proc/self/cgroup", "0::/user/job\n")
    group(system, "user/job", "max", 2 * GIB, 0)
    assert available() == 8 * GIB
    group(system, "user", 5 * GIB, 3 * GIB, 0)
    assert available() == 2 * GIB


def test_in_a_container_the_groups_at_the_top_are_meant(system):
    system("proc/self/cgroup", "0::/docker/0123\n")
    group(system, "", 2 * GIB, GIB, 0)
    assert available() == GIB


def test_version_1(system):
    system("proc/self/cgroup", "5:cpu,cpuacct:/a\n4:hugetlb,memory:/job\n0::/\n")
    group(system, "memory/job", 4 * GIB, 3 * GIB, GIB, version=1)
    group(system, "memory", 9223372036854771712, GIB, 0, version=1)
    assert available() == 2 * GIB


def test_a_group_that_is_full_leaves_nothing(system):
    system("proc/self/cgroup", "0::/\n")
    group(system, "", GIB, 2 * GIB, 0)
    assert available() == 0


def test_without_proc_it_is_all_there_is(system, tmp_path, monkeypatch):
    (tmp_path / "proc/meminfo").unlink()
    values = {"SC_PHYS_PAGES": 1000, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(memory.os, "sysconf", values.__getitem__)
    assert available() == 4_096_000


def test_this_machine_has_some():
    import psutil

    assert 2**26 < available() <= psutil.virtual_memory().total


def test_cuda_is_what_the_driver_has_and_what_pytorch_holds_unused(monkeypatch):
    fake = SimpleNamespace(
        mem_get_info=lambda device: {"cuda": (50, 100), "cuda:1": (20, 100)}[device],
        memory_reserved=lambda device: 30,
        memory_allocated=lambda device: 10,
    )
    monkeypatch.setattr(torch, "cuda", fake)
    assert available("cuda") == 70
    assert available(torch.device("cuda", 1)) == 40


@pytest.mark.gpu
def test_a_real_gpu_gives_back_what_was_taken():
    before = available("cuda")
    held = torch.empty(2**28, dtype=torch.uint8, device="cuda")
    assert before - available("cuda:0") >= 2**28
    del held
    assert available("cuda") > before - 2**28


@pytest.mark.parametrize("device", ["gpu", "cuda:", "cpu:0", "mps", "", None, 0])
def test_other_devices_are_refused(device):
    with pytest.raises(ValueError, match="device: expected cpu, cuda or cuda:0 and so on, got"):
        available(device)
