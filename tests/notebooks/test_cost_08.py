"""What chapter 8 concludes from costs, held against simulation and against other code."""

import functools
import itertools
import math
import re

import pandas as pd
import pytest
import torch

import unlearning as ul
from benchmarks.storage import PUBLISHED
from tests.notebooks.cost_rows import CLAIMS, cost_finding, made_up
from unlearning.base.accumulate import ExactSum
from unlearning.base.timing import Way, slope
from unlearning.companion import claims, criteria
from unlearning.companion.chapters import chapters, notebooks_folder, read_chapter

CELLS = read_chapter(chapters(notebooks_folder())["08_cost"]).cells


@pytest.fixture(scope="module")
def chapter():
    """The chapter's functions and constants, without running the rest of it."""
    known = {"ul": ul, "torch": torch, "math": math, "pd": pd, "functools": functools,
             "itertools": itertools, "criteria": criteria, "slope": slope, "Way": Way,
             "ExactSum": ExactSum}  # fmt: skip
    names = ("def ", "@functools", "BEFORE", "SETTINGS", "WIDE_HEAD", "LIMITS", "PER_EPOCH")
    for cell in CELLS:
        if "parameters" in cell.metadata.get("tags", []):
            exec(cell.source, known)
        elif cell.cell_type == "code":
            for block in re.split(r"\n(?=\S)(?![)}\]]|def weights_of)", cell.source):
                if block.startswith(names):
                    exec(block, known)
    return known


COSTS = {
    "retraining": 1.0, "Newton by CG": 0.6, "HF-OCU, all vectors": 40.0,
    "HF-OCU, request": 0.001, "matrix": 10.0, "factor": 3.0, "Newton, request": 2.0,
    "jackknife, request": 0.05,
}  # fmt: skip


def test_break_even_is_where_the_totals_cross(chapter):
    for other in ("retraining", "Newton by CG", "Newton", "jackknife"):
        at = chapter["break_even"](COSTS, other)
        before, after = (chapter["totals"](COSTS, R) for R in (math.floor(at), math.ceil(at)))
        assert before["HF-OCU"] >= before[other]
        assert after["HF-OCU"] <= after[other]
    assert chapter["break_even"](COSTS, "Newton") == pytest.approx(30 / 1.999)


def test_no_break_even_against_what_is_cheaper_for_ever(chapter):
    cheap = COSTS | {"Newton by CG": 0.0001}
    assert chapter["break_even"](cheap, "Newton by CG") == math.inf


def test_totals_add_up_request_by_request(chapter):
    spent = {"retraining": 0.0, "HF-OCU": 40.0, "jackknife": 13.0, "Newton": 10.0}
    each = {"retraining": 1.0, "HF-OCU": 0.001, "jackknife": 0.05, "Newton": 2.0}
    for _ in range(7):
        spent = {name: total + each[name] for name, total in spent.items()}
    found = chapter["totals"](COSTS, 7)
    assert {name: found[name] for name in spent} == pytest.approx(spent)


def test_published_settings_have_the_weights_that_are_known(chapter):
    known = {"Wine": 1546, "Obesity": 1930, "Adult": 6346, "HAPT": 36618,
             "MNIST, logistic": 7850, "MNIST, CNN": 21840, "Fashion, CNN": 21840,
             "Fashion, LeNet": 61706, "CIFAR-10, ResNet": 11181642}  # fmt: skip
    settings = chapter["SETTINGS"]
    for name, d in known.items():
        assert chapter["weights_of"](*settings[name][:3]) == d
    # n and T are counted from the scripts a second time for the benchmarks.
    mine = {(n, known[name], T) for name, (_, _, _, n, T, _) in settings.items() if name in known}
    assert set(PUBLISHED.values()) <= mine


def test_findings_follow_from_rows_by_other_code(chapter):
    rows = made_up(1) + made_up(2, sides=(10, 20, 30))
    found = chapter["findings"](rows)
    assert {f["claim"] for f in found} == CLAIMS
    wanted = {(name, c.id) for name in CLAIMS for c in claims.load()[name].criteria}
    assert {(f["claim"], f["criterion"]) for f in found} == wanted
    for f in found:
        values = list(cost_finding(f, rows).values())
        assert [f["least"], f["greatest"]] == pytest.approx([min(values), max(values)])


def test_additions_are_additions(chapter):
    ways = chapter["additions"](1000)
    for way in ways.values():
        way.work()
    assert {name: way.count for name, way in ways.items()} == {"addition": 30000, "exact sum": 1}
