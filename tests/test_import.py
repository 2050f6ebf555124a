"""`import unlearning` is light, and its names lead where they should."""

import subprocess
import sys

import pytest

import unlearning as ul


def test_importing_the_package_loads_no_pytorch():
    code = "import sys, unlearning; print('torch' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"


@pytest.mark.parametrize("name", ul.__all__)
def test_every_public_name_exists(name):
    assert getattr(ul, name) is not None
    assert name in dir(ul)


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="module 'unlearning' has no attribute 'recolect'"):
        ul.recolect  # noqa: B018
