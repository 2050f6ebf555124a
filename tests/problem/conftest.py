"""What the tests of the loaders share."""

import pytest


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A new UNLEARNING_DATA that holds nothing, and a new cache: ``data`` and ``cache``."""
    monkeypatch.setenv("UNLEARNING_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("UNLEARNING_CACHE", str(tmp_path / "cache"))
    return tmp_path / "data"
