"""A reader's choice of data, checked before a chapter runs."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from unlearning.base import checks
from unlearning.companion.parameters import Parameter
from unlearning.problem import own_data
from unlearning.problem.data import DATASETS, TEST_SHARE
from unlearning.problem.samples import Samples


def checked_dataset(values: Mapping[str, Any], declared: Mapping[str, Parameter]) -> str:
    """The data set to run on, if it is one, and if the other parameters fit its size.

    Args:
        values: what the reader asks for, `dataset` among it.
        declared: the parameters of the chapter.

    Raises:
        ValueError: if it is no known name, or a file that is missing, malformed or too small.
    """
    name = values["dataset"]
    if not name.endswith(".npz"):
        return checks.choice("parameter 'dataset'", name, (*DATASETS, "a path ending in .npz"))
    path = Path(name).expanduser()
    train, test = own_data.read(path, classes=True)
    check_classes(path, train, test)
    rows = len(train) if test is not None else len(train) - math.ceil(TEST_SHARE * len(train))
    asked = {name: item.default for name, item in declared.items()} | dict(values)
    n_train = asked.get("n_train", rows)
    if n_train > rows:
        apart = "" if test is not None else f"; a fifth of its {len(train)} rows is set apart"
        checks.fail("parameter 'n_train'", f"at most {rows}, the training rows{apart}", n_train)
    for size in ("n_forget", "forget_sizes"):
        largest = asked.get(size, 0)
        largest = max(largest) if isinstance(largest, list) else largest
        if largest >= n_train:
            checks.fail(f"parameter {size!r}", f"less than n_train = {n_train}", asked[size])
    return str(path)


def check_classes(path: Path, train: Samples, test: Samples | None) -> None:
    """Every class from 0 to the largest must be among the training labels, and two at least.

    Raises:
        ValueError: if one is missing.
    """
    found = sorted(set(train.labels.tolist()))
    if len(found) < 2 or found != list(range(len(found))):
        expected = "at least two classes, numbered 0, 1, 2, ... without a gap"
        raise ValueError(f"{path}: labels: expected {expected}, got {found[:10]}")
    if test is not None and not set(test.labels.tolist()) <= set(found):
        extra = sorted(set(test.labels.tolist()) - set(found))
        raise ValueError(f"{path}: test_labels: expected classes of labels, got {extra[:10]} too")
