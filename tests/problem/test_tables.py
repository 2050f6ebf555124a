"""Wine, Obesity and Adult against their files, read and encoded once more in another way."""

import bisect
import csv
import hashlib
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn import datasets
from sklearn.preprocessing import LabelEncoder, StandardScaler

import unlearning as ul
from unlearning.problem import tables

HEADER = [
    "Gender",
    "Age",
    "Height",
    "Weight",
    "family_history_with_overweight",
    "FAVC",
    "FCVC",
    "NCP",
    "CAEC",
    "SMOKE",
    "CH2O",
    "SCC",
    "FAF",
    "TUE",
    "CALC",
    "MTRANS",
    "NObeyesdad",
]
OFTEN = ["no", "Sometimes", "Frequently", "Always"]
TRAVEL = ["Automobile", "Bike", "Motorbike", "Public_Transportation", "Walking"]


def obesity_rows(n):
    """Rows of the form of the file, every level among them."""
    for i in range(n):
        often, by = OFTEN[i % 4], TRAVEL[i % 5]
        half = ["yes", "no"][i % 2]
        yield ["Male" if i % 3 else "Female", 20 + i % 7, 1.5 + i % 5 / 10, 60 + i % 11, half, half,
               2, 3, often, half, 2, half, 1, 0, OFTEN[3 - i % 4], by, f"Type_{i % 7}"]  # fmt: skip


def write(path, rows, header=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows] if header else rows)
    return path


def expected(inputs, labels, test_share, seed, n_train=None):
    """The released preparation, from here on: cut, standardise, draw."""
    permuted = np.random.RandomState(seed).permutation(len(inputs))
    n_test = int(np.ceil(test_share * len(inputs)))
    parts = permuted[n_test:], permuted[:n_test]
    scaler = StandardScaler().fit(inputs[parts[0]])
    sizes = n_train or len(parts[0]), int(0.4 * n_train) if n_train else n_test
    for part, size in zip(parts, sizes, strict=True):
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            rows = part[torch.randperm(len(part))[:size].numpy()]
        yield scaler.transform(inputs[rows]), labels[rows]


def agree(data, wanted):
    for found, (inputs, labels) in zip((data.train, data.test), wanted, strict=True):
        np.testing.assert_allclose(found.inputs, inputs, rtol=0, atol=1e-11)
        np.testing.assert_array_equal(found.labels, labels)


@pytest.mark.parametrize("seed", [42, 124, 3407, 114514, 5, 1])
def test_wine_is_cut_standardised_and_drawn_as_released(seed):
    inputs, labels = datasets.load_wine(return_X_y=True)
    data = ul.load("wine_released", seed=seed, dtype=torch.float64)
    assert (len(data.train), len(data.test)) == (142, 36)
    agree(data, expected(inputs, labels, 0.2, seed))


def encoded_obesity(path):
    """All by hand, with the csv module."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    numbers = ["Age", "Height", "Weight", "FCVC", "NCP", "CAEC", "CH2O", "FAF", "TUE", "CALC"]

    def encode(row):
        plain = [OFTEN.index(row[c]) if c in ("CAEC", "CALC") else float(row[c]) for c in numbers]
        yes = ["family_history_with_overweight", "FAVC", "SMOKE", "SCC"]
        flags = [row["Gender"] == "Male", *(row[c] == "yes" for c in yes)]
        return [*plain, *flags, *(row["MTRANS"] == by for by in TRAVEL[1:])]

    labels = LabelEncoder().fit_transform([row["NObeyesdad"] for row in rows])
    return np.array([encode(row) for row in rows], dtype=float), labels


def test_obesity_from_a_file_of_its_form(folder):
    path = write(folder / tables.OBESITY, obesity_rows(2111), HEADER)
    data = ul.load("obesity", seed=3, dtype=torch.float64)
    assert data.train.inputs.shape == (1477, 19)
    assert data.test.inputs.shape == (634, 19)
    agree(data, expected(*encoded_obesity(path), 0.3, 3))
    small = ul.load("obesity", seed=3, n_train=100, dtype=torch.float64)
    agree(small, expected(*encoded_obesity(path), 0.3, 3, n_train=100))


@pytest.mark.published
def test_the_real_obesity():
    seed = 42
    path = Path(os.environ["UNLEARNING_DATA"]) / tables.OBESITY
    inputs, labels = encoded_obesity(path)
    data = ul.load("obesity", seed=seed, dtype=torch.float64)
    agree(data, expected(inputs, labels, 0.3, seed))
    assert data.n_classes == 7
    with path.open() as file:
        counts = Counter(line.strip().split(",")[-1] for line in file)
    both = torch.cat([data.train.labels, data.test.labels]).bincount().tolist()
    assert both == [counts[name] for name in sorted(counts) if name != "NObeyesdad"]
    columns = data.train.inputs
    torch.testing.assert_close(columns.mean(0), torch.zeros(19).double(), rtol=0, atol=1e-10)
    torch.testing.assert_close(columns.std(0, unbiased=False), torch.ones(19).double())


def cut_short(path, keep):
    text = path.read_text()
    path.write_text(text[: int(keep * len(text))])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda p: write(p, obesity_rows(2000), HEADER), "2111 rows of 17 columns, got 2000 rows"),
        (
            lambda p: write(p, [r[:9] for r in obesity_rows(2111)]),
            "2111 rows .* got 2110 rows of 9",
        ),
        (lambda p: cut_short(p, 0.9999), "a value in each column, got gaps in row 2111"),
        (lambda p: p.write_text(""), "a table of comma-separated values"),
        (
            lambda p: p.write_text(p.read_text().replace("Always", "Ever")),
            "known names and numbers .* something else",
        ),
    ],
)
def test_a_broken_obesity_file_is_refused_by_its_path(folder, change, message):
    path = write(folder / tables.OBESITY, obesity_rows(2111), HEADER)
    change(path)
    with pytest.raises(ValueError, match=rf"ObesityDataSet.*\.csv: expected {message}"):
        ul.load("obesity")


BINS = {
    "age": [0, 23, 28, 33, 38, 43, 53, 63, 100],
    "capital_gain": [-1, 100, 1000, 5000, 10000, 30000, 50000, 100000, 150000],
    "capital_loss": [-1, 1, 1500, 2000, 4000, 6000, 10000],
    "hours_per_week": [0, 10, 20, 30, 35, 40, 45, 50, 60, 70, 80, 100],
}
COLUMNS = [
    "age",
    "workclass",
    "fnlwgt",
    "education",
    "education_num",
    "marital_status",
    "occupation",
    "relationship",
    "race",
    "sex",
    "capital_gain",
    "capital_loss",
    "hours_per_week",
    "native_country",
    "income",
]


def adult_rows(path):
    """Distinct rows without unknown values, as dictionaries of encoded features."""
    with path.open(newline="") as file:
        rows = [row for row in csv.reader(file, skipinitialspace=True) if len(row) == 15]
    kept = dict.fromkeys(tuple(row[:2] + row[3:4] + row[5:]) for row in rows)
    names = COLUMNS[:2] + COLUMNS[3:4] + COLUMNS[5:]
    for row in (dict(zip(names, row, strict=True)) for row in kept if "?" not in row):
        one = {name: bisect.bisect_left(edges, int(row[name])) - 1 for name, edges in BINS.items()}
        for name in ("workclass", "education", "marital_status", "occupation", "native_country"):
            one[f"{name}={row[name]}"] = 1
        yield one, int(row["income"].startswith(">"))


def encoded_adult(folder):
    train, test = (list(adult_rows(folder / member)) for member in tables.ADULT)
    columns = sorted({c for row, _ in train for c in row} & {c for row, _ in test for c in row})
    inputs = np.array([[row.get(column, 0) for column in columns] for row, _ in train], dtype=float)
    return inputs, np.array([income for _, income in train])


def small_adult(folder, monkeypatch):
    """Files of Adult's form: a duplicate, unknown values, ends of bins, a country only in one."""
    work, by = ["Private", "State-gov", "?"], ["United-States", "Peru", "Holand-Netherlands"]
    rows = [
        [[23, 24, 90, 17][i % 4], work[i % 3], i, "HS-grad", 9, "Divorced", "Sales", "Wife",
         "White", "Male", [0, 100, 101, 99999][i // 3 % 4], i // 5 % 3 * 1500, 1 + i % 99,
         by[i % 2 + (i == 1)], "<=50K" if i % 4 else ">50K"]
        for i in range(200)
    ]  # fmt: skip
    rows[5] = rows[4][:2] + [99] + rows[4][3:]  # another weight: a duplicate all the same
    spaced = [[str(row[0]), *(f" {value}" for value in row[1:])] for row in rows]
    tested = [row[:-1] + [row[-1] + "."] for row in spaced if "Holand" not in row[13]]
    write(folder / tables.ADULT[0], [*spaced, []])
    write(folder / tables.ADULT[1], [["|1x3 Cross validator"], *tested])
    sizes = dict(zip(tables.ADULT, (len(spaced), len(tested)), strict=True))
    monkeypatch.setattr(tables, "_ROWS", tables._ROWS | sizes)


def test_adult_from_files_of_its_form(folder, monkeypatch):
    small_adult(folder, monkeypatch)
    inputs, income = encoded_adult(folder)
    assert len(inputs) == 134  # the duplicate and the 65 rows with unknown values are gone
    data = ul.load("adult", seed=5, n_train=30, dtype=torch.float64)
    agree(data, expected(inputs, income, 0.4, 5, n_train=30))
    names = tables.read_adult(folder / tables.ADULT[0]).columns
    assert "native_country=Holand-Netherlands" in names
    assert inputs.shape[1] == len(names) - 2  # without it, and without the income


@pytest.mark.parametrize("keep", [0.5, 0.995, 0.9995])
def test_a_broken_adult_file_is_refused_by_its_path(folder, monkeypatch, keep):
    small_adult(folder, monkeypatch)
    cut_short(folder / tables.ADULT[0], keep)
    with pytest.raises(ValueError, match=r"adult\.data: expected .*cut short"):
        ul.load("adult")


@pytest.mark.published
def test_the_real_adult_in_the_published_setting():
    inputs, income = encoded_adult(Path(os.environ["UNLEARNING_DATA"]))
    assert inputs.shape == (26904, 88)
    data = ul.load("adult", seed=42, n_train=10000, dtype=torch.float64)
    assert (len(data.train), len(data.test), data.n_classes) == (10000, 4000, 2)
    agree(data, expected(inputs, income, 0.4, 42, n_train=10000))


PRINT_DIGEST = """
import hashlib, unlearning as ul
data = ul.load("adult", seed=1, n_train=200)
print(hashlib.sha256(data.train.inputs.numpy().tobytes()).hexdigest())
"""


@pytest.mark.published
def test_the_columns_of_adult_do_not_depend_on_the_hash_seed():
    environment = os.environ | {"PYTHONHASHSEED": "4711"}
    command = [sys.executable, "-c", PRINT_DIGEST]
    other = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    here = ul.load("adult", seed=1, n_train=200).train.inputs.numpy().tobytes()
    assert other.stdout.strip() == hashlib.sha256(here).hexdigest()
