"""What chapter 15 says, held against other code and against its checked outputs."""

import re

import numpy as np
import pandas as pd
import pytest
import torch

import unlearning as ul
from tests.notebooks import correction_rows
from tests.notebooks.references import REFERENCES, checked_text, read
from unlearning.base.streams import stream
from unlearning.companion import claims, criteria
from unlearning.companion.chapters import chapters, notebooks_folder, read_chapter

CELLS = read_chapter(chapters(notebooks_folder())["15_features_and_labels"]).cells
PROSE = "\n".join(cell.source for cell in CELLS if cell.cell_type == "markdown")
PRINTED = "\n".join(checked_text(read(REFERENCES / "15_features_and_labels.ipynb")))


def defined(*names, **known):
    """Functions of the chapter, without running it."""
    for cell in CELLS:
        if cell.cell_type == "code":
            for block in re.split(r"\n(?=\S)(?![)}\]])", cell.source):
                if block.startswith(tuple(f"def {name}(" for name in names)):
                    exec(block, known)
    return known


def number(pattern):
    """The one number that the page prints behind some words."""
    (found,) = re.findall(pattern, PRINTED)
    return float(found)


def test_one_step_size_serves_all_labels_where_the_hessian_is_no_multiple_of_the_identity():
    n, live, l2 = 30, 4, 0.1
    square, _ = torch.linalg.qr(torch.randn(n, live, generator=stream("x"), dtype=torch.float64))
    inputs = torch.cat([n**0.5 * square, torch.zeros(n, 1, dtype=torch.float64)], dim=1)
    labels = torch.randn(n, generator=stream("y"), dtype=torch.float64)
    layer = torch.nn.Linear(live + 1, 1, bias=False, dtype=torch.float64)
    objective = ul.Objective(layer, l2=l2, loss="squared")
    learned = ul.minimise(objective, ul.Samples(inputs, labels), tolerance=1e-12)
    rows = [2, 3, 11]
    after = labels.clone()
    after[rows] = torch.tensor([4.0, -2.0, 0.5], dtype=torch.float64)
    change = ul.Change(learned, rows, ul.Samples(inputs[rows], after[rows]))
    curvature = torch.tensor([1 + l2] * live + [l2], dtype=torch.float64)
    torch.testing.assert_close(change.system.dense(), curvature.diag(), rtol=0, atol=1e-12)
    exact = (inputs.T @ after / n) / curvature
    found = change.correct(order=1, step_size=1 / (1 + l2)).weights
    torch.testing.assert_close(found, exact, rtol=0, atol=1e-10)


def made_up(seed):
    rows = [
        {"seed": seed, "rule": rule, "share": share, "restricted gap": gap, "cut gap": cut}
        for rule in ("largest_diagonal", "random")
        for share, gap, cut in ((0.1, 3e-13 / seed, 0.4 + seed), (0.5, 2e-14, 0.001))
    ]
    residuals = {"first order": 1.5, "second order": 0.3}
    return rows + [
        {"seed": seed, "k": k, "way": way, "residual": left * seed**k + request}
        for way, left in residuals.items()
        for k in (1, 3)
        for request in range(2)
    ]


def test_findings_follow_from_rows_by_other_code():
    rows = made_up(1) + made_up(2) + made_up(3)
    frame = pd.DataFrame(rows)
    known = {"np": np, "criteria": criteria, "dataset": "adult"}
    known |= {"restricted": frame[frame["rule"].notna()], "served": frame[frame["way"].notna()]}
    found = defined("findings", "largest", **known)["findings"]()
    about = claims.load()["saps-sentence-second-order"]
    assert [f["criterion"] for f in found] == [c.id for c in about.criteria]
    assert not any(c.decides for c in about.criteria)
    for f in found:
        values = list(correction_rows.correction_finding(f, rows).values())
        assert [f["least"], f["greatest"]] == pytest.approx([min(values), max(values)])


def test_every_check_that_the_page_prints_holds():
    assert "NO  " not in PRINTED
    assert PRINTED.count("yes  ") >= 29


def test_the_shortcut_is_five_steps_off_and_its_bound_six_times_as_large():
    assert "lands five steps away" in PROSE
    assert "over six times too large" in PROSE
    off, most = number(r"(\d+\.\d), at most"), number(r"at most (\d+) ")
    assert off == pytest.approx(5, abs=0.5)
    assert 6 < most / off < 7
    assert number(r"\(mu = (0\.\d+)\)") == pytest.approx(0.01, abs=0.001)  # lambda


def test_the_bound_on_the_distance_is_over_five_times_too_large():
    assert "over five times too large" in PROSE
    distance, most = number(r"k = 10: distance (0\.\d+)"), number(r"bound / lambda (\d\.\d+)")
    assert 5 < most / distance < 6.5


def test_one_window_in_nine_changes():
    assert "One window in nine changes here, 198 of 148,597 there (0.13%)" in PROSE
    assert f"{198 / 148597:.2%}" == "0.13%"
    touched, windows = number(r"(\d+) windows \(\d+%\)"), number(r"(\d+) windows, d =")
    assert windows / touched == pytest.approx(9, abs=0.5)
