"""Locks: one process at a time, and none once it is dead."""

import subprocess
import sys
import threading
import time

import pytest

from unlearning.base.locks import held

HOLD = """
import sys, time
from unlearning.base.locks import held
with held(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path / "folder"], stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_folder_in_use_is_refused_until_its_process_is_dead(tmp_path, other):
    with (
        pytest.raises(ValueError, match=f"folder: expected one that no other.*{tmp_path}"),
        held(tmp_path / "folder"),
    ):
        pass
    with held(tmp_path / "another"), held(tmp_path / "folder", "another name"):
        pass
    other.kill()
    other.wait()
    with held(tmp_path / "folder"):
        pass


def test_one_may_wait(tmp_path, other):
    threading.Timer(0.3, other.kill).start()
    begin = time.monotonic()
    with held(tmp_path / "folder", wait=True):
        assert 0.25 < time.monotonic() - begin < 30


def test_threads_are_kept_out_too(tmp_path):
    def enter(found):
        try:
            with held(tmp_path):
                found.append("entered")
        except ValueError:
            found.append("refused")

    found = []
    with held(tmp_path):
        thread = threading.Thread(target=enter, args=[found])
        thread.start()
        thread.join()
    enter(found)
    assert found == ["refused", "entered"]


def test_what_cannot_be_a_folder_is_refused_by_name(tmp_path):
    (tmp_path / "file").touch()
    for wrong in (tmp_path / "file", tmp_path / "file" / "below", 3):
        with pytest.raises(ValueError, match="folder: expected a"), held(wrong):
            pass
