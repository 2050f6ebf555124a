"""Stores that are made once and copied for each test."""

import pytest

import unlearning as ul
from tests.service.stores import origin


@pytest.fixture(scope="session")
def source(tmp_path_factory):
    """A run of 40 samples and its store."""
    return origin(tmp_path_factory.mktemp("source") / "store")


@pytest.fixture
def folder(source, tmp_path):
    """A store of one's own."""
    return source.copy(tmp_path / "store")


@pytest.fixture
def service(folder):
    """The same, open."""
    with ul.DeletionService.open(folder) as opened:
        yield opened
