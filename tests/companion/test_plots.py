"""Labels that fit."""

import pytest

from unlearning.companion import plots

FINE = [0.001, 0.0014, 0.002, 0.0028, 0.004, 0.0056, 0.008, 0.011, 0.016, 0.032, 0.064]


@pytest.mark.parametrize(
    ("end", "kept"),
    [
        (0.064, [0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064]),
        (1.5, [0.001, 0.0028, 0.008, 0.032]),
    ],
)
def test_labels_have_room_on_a_logarithmic_axis(end, kept):
    assert plots.with_room(FINE, end) == kept


def test_few_values_keep_all_their_labels():
    assert plots.with_room([1, 10, 100], 100) == [1, 10, 100]
    assert plots.with_room([5], 5) == [5]
