"""The type of a file system, against what coreutils finds through another call of the system."""

import subprocess
from pathlib import Path

import pytest

from unlearning.base.disk import file_system


@pytest.mark.parametrize("folder", ["/", "/proc", "here"])
def test_it_is_the_one_that_df_finds(folder, tmp_path):
    path = tmp_path if folder == "here" else Path(folder)
    command = ["df", "--output=fstype", str(path)]
    said = subprocess.run(command, capture_output=True, text=True, check=True)
    assert file_system(path) == said.stdout.split()[-1]


def test_where_the_system_does_not_tell_it_is_unknown(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "is_file", lambda self: False)
    assert file_system(tmp_path) == "unknown"
