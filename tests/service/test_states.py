"""Weights that are put in the place of others."""

import os

import numpy as np

from unlearning.service.states import read_state, replace_state, write_state
from unlearning.service.sums import Sum


def test_the_new_weights_stand_alone_and_the_old_ones_are_zeros(tmp_path):
    folder = tmp_path / "s"
    folder.mkdir()
    old, new = np.linspace(-1, 1, 9), np.linspace(2, 3, 9)
    replace_state(folder, old)
    (first,) = folder.iterdir()
    os.link(first, tmp_path / "kept")  # another name of the same bytes on disk
    before = (tmp_path / "kept").read_bytes()
    replace_state(folder, new.astype(np.float32))
    (second,) = folder.iterdir()
    assert first != second
    after = (tmp_path / "kept").read_bytes()
    assert len(after) == len(before) > 2 * 9 * 8
    assert after == bytes(len(before))
    entry = write_state(tmp_path, 7, Sum.of(new.astype(np.float32)))
    found = read_state(folder, {"file": second.name, "crc": entry["crc"]})
    np.testing.assert_allclose(found.total, new, rtol=1e-7)
