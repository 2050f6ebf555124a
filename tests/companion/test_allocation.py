"""What the kernels of chapters are told about freed memory."""

import os
import platform
import subprocess
import sys

import pytest

from unlearning.companion.allocation import SETTINGS, keep_freed_memory

#: Pages that are new to a process while it makes and frees eight arrays of 32 MB, one by one.
FAULTS = """
import resource, numpy
pages = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
numpy.ones(4_000_000)
before = pages()
for _ in range(8):
    numpy.ones(4_000_000)
print(pages() - before)
"""


@pytest.fixture
def untold(monkeypatch):
    for name in SETTINGS:
        monkeypatch.setenv(name, "")  # so that it is put back at the end
        monkeypatch.delenv(name)


def test_what_was_told_before_stays(untold, monkeypatch):
    first, *others = SETTINGS
    monkeypatch.setenv(first, "12345")
    keep_freed_memory()
    assert os.environ[first] == "12345"
    assert all(os.environ[name] == str(SETTINGS[name]) for name in others)


def test_memory_is_not_cleared_again_and_again(untold):
    def faults():
        ran = subprocess.run([sys.executable, "-c", FAULTS], capture_output=True, check=True)
        return int(ran.stdout)

    before = faults()
    keep_freed_memory()
    # Other C libraries know nothing of the settings; then nothing is lost either.
    share = 0.5 if platform.libc_ver()[0] == "glibc" else 1.5
    assert faults() < share * before
