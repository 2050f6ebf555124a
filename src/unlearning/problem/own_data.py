"""A data set of the reader's own: one ``.npz`` file, and errors that say what it must hold."""

from pathlib import Path

import numpy as np
import torch

from unlearning.base import checks
from unlearning.problem.draws import Parts
from unlearning.problem.samples import Samples

MUST_HOLD = (
    "The file is made by numpy.savez(path, inputs=..., labels=...): `inputs` are finite numbers of "
    "shape [n, features] or [n, channels, height, width], `labels` are whole numbers from 0 (the "
    "class of each row) of shape [n]. `test_inputs` and `test_labels` may be there, too; without "
    "them a fifth of the rows is set apart."
)


def read(path: Path, *, classes: bool = False) -> tuple[Samples, Samples | None]:
    """Read the training samples, and the test samples if the file has any.

    Args:
        path: of the ``.npz`` file.
        classes: whether labels must be class numbers; otherwise they may be real targets.

    Raises:
        ValueError: if something is missing or malformed; the message ends with what the file must
            hold.
    """
    try:
        arrays = _arrays(path)
        parts = [_samples(arrays, prefix, classes) for prefix in ("", "test_")]
        if parts[0] is None:
            checks.fail("arrays", "'inputs' and 'labels'", sorted(arrays) or "none")
        _check_same_shape(parts)
    except ValueError as error:
        raise ValueError(f"{path}: {error}\n{MUST_HOLD}") from None
    return parts[0], parts[1]


def parts(path: Path) -> tuple[Parts, Parts | None]:
    """The same as inputs and labels, as ``load`` takes them."""
    train, test = read(path)
    return (train.inputs, train.labels), None if test is None else (test.inputs, test.labels)


def _arrays(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        checks.fail("dataset", "an existing .npz file", f"none at {path.absolute()}")
    try:
        with np.load(path, allow_pickle=False) as stored:
            return dict(stored)
    except AttributeError:
        checks.fail("dataset", "several named arrays (numpy.savez)", "one bare array (numpy.save)")
    except Exception:  # zip, header and pickle errors come in many classes
        checks.fail("dataset", "a readable .npz file of plain arrays", "another kind of file")


def _samples(arrays: dict[str, np.ndarray], prefix: str, classes: bool) -> Samples | None:
    names = [prefix + "inputs", prefix + "labels"]
    found = [name for name in names if name in arrays]
    if not found:
        return None
    if len(found) == 1:
        checks.fail("arrays", f"both {names[0]} and {names[1]}", f"only {found[0]}")
    for name in names:
        if arrays[name].dtype.kind not in "biuf":
            checks.fail(name, "real numbers", f"an array of type {arrays[name].dtype}")
    inputs, labels = (arrays[name] for name in names)
    if inputs.ndim not in (2, 4):
        checks.fail(names[0], "2 or 4 dimensions", f"{inputs.ndim}, of shape {list(inputs.shape)}")
    if classes and labels.dtype.kind == "f":
        labels = _whole(names[1], labels)
    samples = Samples(torch.from_numpy(inputs.astype(np.float64)), torch.from_numpy(labels))
    if not prefix and len(samples) < 2:
        checks.fail(names[0], "at least 2 rows", len(samples))
    return samples


def _whole(name: str, labels: np.ndarray) -> np.ndarray:
    """Class numbers that were stored as real numbers, such as 0.0, 1.0, 2.0."""
    if not np.isfinite(labels).all() or (labels != labels.round()).any():
        checks.fail(name, "whole numbers, one class a number", f"{labels[:3].tolist()} ...")
    return labels.astype(np.int64)


def _check_same_shape(parts: list[Samples | None]) -> None:
    train, test = parts
    if test is not None and test.inputs.shape[1:] != train.inputs.shape[1:]:
        expected = f"rows like those of inputs, {list(train.inputs.shape[1:])}"
        checks.fail("test_inputs", expected, list(test.inputs.shape[1:]))
