"""UCI's Obesity and Adult, prepared as HF-OCU's code does.

The steps are those of the released code, and in its order: cut by ``train_test_split`` with
``random_state=seed``, standardise by the whole training part, then draw rows (``draws.draw``).
Runs with Wine's published seeds end at the published distances, which decides what the papers leave
open. INFERRED is only what cannot be checked there, and said where it is.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

from unlearning.base import checks
from unlearning.problem import places
from unlearning.problem.draws import Parts, cut_table

UCI = "https://archive.ics.uci.edu/static/public/"
OBESITY = "Obesity/ObesityDataSet_raw_and_data_sinthetic.csv"
ADULT = ("Adult/adult.data", "Adult/adult.test")
_URLS = {
    OBESITY: UCI + "544/estimation+of+obesity+levels+based+on+eating+habits+and+physical+condition"
    ".zip",
    **dict.fromkeys(ADULT, UCI + "2/adult.zip"),
}
_ROWS = {OBESITY: 2111, ADULT[0]: 32561, ADULT[1]: 16281}

_HOW_OFTEN = {"no": 0, "Sometimes": 1, "Frequently": 2, "Always": 3}
_OBESITY_LEVELS = [  # to indicator columns, the first level left out
    "Gender", "family_history_with_overweight", "FAVC", "SMOKE", "SCC", "MTRANS",
]  # fmt: skip
_ADULT_COLUMNS = [
    "age", "workclass", "fnlwgt", "education", "education_num", "marital_status", "occupation",
    "relationship", "race", "sex", "capital_gain", "capital_loss", "hours_per_week",
    "native_country", "income",
]  # fmt: skip
_ADULT_LEVELS = ["workclass", "education", "marital_status", "occupation", "native_country"]
_ADULT_BINS = {  # right ends belong to a bin; its number becomes the feature
    "age": [0, 23, 28, 33, 38, 43, 53, 63, 100],
    "capital_gain": [-1, 100, 1000, 5000, 10000, 30000, 50000, 100000, 150000],
    "capital_loss": [-1, 1, 1500, 2000, 4000, 6000, 10000],
    "hours_per_week": [0, 10, 20, 30, 35, 40, 45, 50, 60, 70, 80, 100],
}


def obesity(seed: int) -> tuple[Parts, Parts]:
    """UCI's Obesity Levels (2,111 rows, 19 features, 7 classes), cut to 1,477 and 634 rows.

    How often one snacks (``CAEC``) or drinks (``CALC``) becomes 0 to 3, other names become
    indicators without their first level. Columns: the numbers in the order of the file, then the
    indicators. Classes are numbered in alphabetical order.
    """
    return cut_table(read_obesity(_path(OBESITY)), 0.3, seed)


def adult(seed: int) -> tuple[Parts, Parts]:
    """UCI's Adult, its TRAINING file alone, cut 60/40 by ``seed``: 88 features, 2 classes.

    ``fnlwgt`` and years of education are dropped, then duplicate rows, then rows with unknown
    values; four numbers become numbers of bins, five names become indicators; relationship, race
    and sex are dropped. Only columns that the test file has as well are kept (its country
    Holand-Netherlands is missing).

    INFERRED: the columns are in alphabetical order. The released code takes them in the order of a
    Python set, which changes from process to process, so that its runs see permuted features: there
    is no published order to reproduce.
    """
    train, test = (read_adult(_path(member)) for member in ADULT)
    income = torch.tensor(train.pop("income").to_numpy())
    columns = sorted(set(train) & set(test))
    inputs = torch.tensor(train[columns].to_numpy(dtype=np.float64))
    return cut_table((inputs, income), 0.4, seed)


def read_obesity(path: Path, rows: int = _ROWS[OBESITY]) -> Parts:
    """Read and encode the file of Obesity.

    Raises:
        ValueError: if it does not hold that many complete rows of its 17 columns.
    """
    import pandas as pd

    frame = _table(path, partial(pd.read_csv, path), rows, 17)
    frame[["CAEC", "CALC"]] = frame[["CAEC", "CALC"]].apply(lambda c: c.map(_HOW_OFTEN))
    classes = frame.pop("NObeyesdad").astype("category")
    frame = pd.get_dummies(frame, columns=_OBESITY_LEVELS, drop_first=True)
    _check_encoded(path, frame)
    labels = torch.tensor(classes.cat.codes.to_numpy(dtype=np.int64))
    return torch.tensor(frame.to_numpy(dtype=np.float64)), labels


def read_adult(path: Path, rows: int | None = None):
    """Read and encode a file of Adult: a pandas frame of numbers with the column ``income``.

    Raises:
        ValueError: if it does not hold as many complete rows of 15 columns as the official file.
    """
    import pandas as pd

    official = {Path(member).name: _ROWS[member] for member in ADULT}.get(path.name)
    # The test file begins with a line that starts with a bar; its labels end in a point.
    read = partial(pd.read_csv, path, header=None, names=_ADULT_COLUMNS, skipinitialspace=True,
                   comment="|", na_values="?", keep_default_na=False)  # fmt: skip
    frame = _table(path, read, rows or official, 15, unknown=True)
    frame["income"] = frame["income"].str.rstrip(".").map({"<=50K": 0, ">50K": 1})
    if frame["income"].isna().any():
        _refuse(path, "an income of <=50K or >50K in each row", "another")
    frame = frame.drop(columns=["fnlwgt", "education_num"]).drop_duplicates().dropna()
    for column, edges in _ADULT_BINS.items():
        frame[column] = pd.cut(frame[column], edges, labels=False)
    frame = frame.drop(columns=["relationship", "race", "sex"])
    frame = pd.get_dummies(frame, columns=_ADULT_LEVELS, prefix_sep="=")
    _check_encoded(path, frame)
    return frame


def _path(member: str) -> Path:
    get = partial(places.download_member, _URLS[member], member)
    where = f"Get it from {_URLS[member]} and put it there"
    return places.find(member, get, where)


def _table(path: Path, read: Callable, rows: int | None, columns: int, *, unknown: bool = False):
    """A file as it is, if it is whole."""
    import pandas as pd

    try:
        frame = read()
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        _refuse(path, "a table of comma-separated values", str(error).strip())
    if frame.shape != (rows or len(frame), columns):
        _refuse(path, f"{rows} rows of {columns} columns", "{} rows of {}".format(*frame.shape))
    if frame.iloc[:, -1].isna().any() or (not unknown and frame.isna().any(axis=None)):
        _refuse(path, "a value in each column", f"gaps in row {_first_gap(frame)}")
    return frame


def _first_gap(frame) -> int:
    return 1 + int(frame.isna().any(axis=1).to_numpy().argmax())


def _check_encoded(path: Path, frame) -> None:
    if not all(kind.kind in "biuf" for kind in frame.dtypes) or frame.isna().any(axis=None):
        _refuse(path, "known names and numbers in their ranges", "something else among them")


def _refuse(path: Path, expected: str, given: str) -> None:
    checks.fail(str(path), expected, f"{given}; is the file cut short? Without it, it is got again")
