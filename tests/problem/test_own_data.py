"""A reader's own file: what it may hold, and what it is told when it does not."""

import numpy as np
import pytest

from unlearning.problem import own_data

INPUTS, LABELS = np.random.default_rng(0).normal(size=(6, 2)), np.arange(6) % 2
GOOD = {"inputs": INPUTS, "labels": LABELS}


def save(folder, **arrays):
    path = folder / "mine.npz"
    np.savez(path, **arrays)
    return path


def test_what_is_in_the_file_comes_back(tmp_path):
    test = {"test_inputs": INPUTS[:3], "test_labels": LABELS[:3]}
    train, held_out = own_data.read(save(tmp_path, **GOOD, **test), classes=True)
    np.testing.assert_array_equal(train.inputs, INPUTS)
    np.testing.assert_array_equal(train.labels, LABELS)
    np.testing.assert_array_equal(held_out.inputs, INPUTS[:3])
    assert own_data.read(save(tmp_path, **GOOD))[1] is None


def test_classes_may_be_stored_as_real_numbers(tmp_path):
    train, _ = own_data.read(save(tmp_path, inputs=INPUTS, labels=LABELS * 1.0), classes=True)
    assert train.labels.tolist() == LABELS.tolist()


def test_real_targets_are_for_the_library_and_not_for_chapters(tmp_path):
    path = save(tmp_path, inputs=INPUTS, labels=LABELS / 3)
    assert own_data.read(path)[0].labels.is_floating_point()
    with pytest.raises(ValueError, match=r"labels: expected whole numbers, .*got \[0.0, 0.33"):
        own_data.read(path, classes=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": None, "labels": None, "x": INPUTS}, "'inputs' and 'labels', got ['x']"),
        ({"labels": None}, "both inputs and labels, got only inputs"),
        ({"labels": LABELS[:2]}, "labels: expected shape [6]"),
        ({"inputs": INPUTS[:, 0]}, "inputs: expected 2 or 4 dimensions, got 1, of shape [6]"),
        ({"inputs": np.full((6, 2), np.nan)}, "inputs: expected finite numbers"),
        ({"labels": LABELS - 1}, "labels: expected class numbers from 0, got -1"),
        ({"inputs": np.array([object()] * 6)}, "readable .npz file of plain arrays"),
        ({"labels": np.array(list("abcdef"))}, "labels: expected real numbers, got an array of"),
        ({"test_inputs": INPUTS}, "both test_inputs and test_labels, got only test_inputs"),
        (
            {"test_inputs": INPUTS[:, :1], "test_labels": LABELS},
            "test_inputs: expected rows like those of inputs, [2], got [1]",
        ),
        ({"inputs": INPUTS[:1], "labels": LABELS[:1]}, "inputs: expected at least 2 rows, got 1"),
    ],
)
def test_a_malformed_file_is_refused_and_the_right_form_is_told(tmp_path, changes, message):
    arrays = {name: value for name, value in {**GOOD, **changes}.items() if value is not None}
    path = save(tmp_path, **arrays)
    with pytest.raises(ValueError) as refused:  # noqa: PT011  (the message is looked at below)
        own_data.read(path)
    assert str(refused.value).startswith(f"{path}: ")
    assert message in str(refused.value)
    assert own_data.MUST_HOLD in str(refused.value)


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", "bare"])
def test_what_is_no_npz_file_is_refused(tmp_path, content):
    path = tmp_path / "mine.npz"
    if content == "bare":
        with path.open("wb") as file:
            np.save(file, INPUTS)
    else:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"dataset: expected .*\n.*numpy.savez"):
        own_data.read(path)
