"""What chapter 18 computes for its claims, held against other code on made-up rows."""

import dataclasses
import functools
import itertools
import math
import random
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import unlearning as ul
from tests.notebooks import efficacy_rows
from tests.notebooks.references import REFERENCES, checked_text, read
from unlearning.companion import claims, criteria
from unlearning.companion.chapters import chapters, notebooks_folder, read_chapter

CELLS = read_chapter(chapters(notebooks_folder())["18_efficacy"]).cells
(DECIDES,) = (cell.source for cell in CELLS if "def charged(" in cell.source)
(TIMES,) = (cell.source for cell in CELLS if "def times_of(" in cell.source)
(TUNES,) = (cell.source for cell in CELLS if "def fine_tuned(" in cell.source)
(NAMES,) = (cell.source for cell in CELLS if "def named(" in cell.source)
METHODS = [
    *(("all", ""), ("last layer", ""), ("tenth", "share")),
    *itertools.product(("largest", "smallest", "random", "gradient"), ("few", "share")),
]
WAYS = ["retrain", "all, 1st", "tenth, 1st", "tenth, 1st with tau*", "largest, 1st"]
WAYS += [f"{way}, 2nd, {solver}" for way in ("all", "tenth") for solver in ("dense", "cg")]
BENCHES = ("labels", "pixels", "patch")
ENDS = ["retrain", "other order 1", "other order 2"]


def made_up(seed):
    draw = random.Random(seed)
    for bench in (*BENCHES, "patch off"):
        for method in ("do nothing", *ENDS):
            q = 0.9 if method == "do nothing" else draw.uniform(0.0, 0.2)
            yield {"bench": bench, "method": method, "size": "", "order": 0, "q": q}
        for method in ("fine-tune 1", "fine-tune 10", "validation rows"):
            place = {"bench": bench, "method": method, "size": "", "order": 0}
            yield place | {"q": draw.random()}
        for (method, size), order in itertools.product(METHODS, (1, 2)):
            # Few different accuracies, so that losses must break ties.
            found = {"validated": draw.randint(0, 1) / 2, "validation loss": draw.random()}
            place = {"bench": bench, "method": method, "size": size, "order": order}
            yield place | found | {"q": draw.random()}
    for bench, way in itertools.product(BENCHES, WAYS):
        if not way.endswith("cg") or draw.random() < 0.7:  # else it gave up
            yield {"bench": bench, "timed": way, "ms": draw.uniform(1, 100)}


ROWS = [{"seed": seed} | row for seed in (5, 1, 42) for row in made_up(seed)]


def functions(source, known):
    """Functions and constants of a cell, without what it does with them."""
    for block in re.split(r"\n(?=\S)(?![)}\]])", source):
        if re.match(r"def |[A-Z]+ = ", block):
            exec(block, known)
    return known


def chapter(**more):
    known = {"pd": pd, "np": np, "criteria": criteria, "share": 0.3} | more
    known |= {"JUDGED": list(BENCHES), "ENDS": ENDS, "fine_epochs": [1, 10]}
    for source in (NAMES, TIMES, DECIDES):
        functions(source, known)
    return known


def frames():
    frame = pd.DataFrame(ROWS)
    return {"found": frame[frame["q"].notna()], "spent": frame[frame["timed"].notna()]}


@pytest.mark.parametrize("dataset", ["mnist", "cifar10_jpeg_subset"])
def test_findings_follow_from_rows_by_other_code(dataset):
    known = chapter(dataset=dataset, **frames())
    found = [*known["progress"](), *known["efficacy"](), *known["cost"]()]
    short = "cifar" if dataset.startswith("cifar") else "mnist"
    wanted = [
        (name, criterion.id)
        for name in efficacy_rows.CLAIMS
        for criterion in claims.load()[name].criteria
        if criterion.protocol == f"efficacy-{short}" or name == "saps-sentence-progress"
    ]
    assert [(f["claim"], f["criterion"]) for f in found] == wanted
    for f in found:
        values = list(efficacy_rows.efficacy_finding(f, ROWS).values())
        assert [f["least"], f["greatest"]] == pytest.approx([min(values), max(values)])


def test_share_removed_is_counted_from_the_mean_of_three_retrainings():
    known = chapter(dataset="mnist", **frames())
    named = known["named"](known["found"])
    for _, part in named.groupby(["seed", "bench"]):
        q = part.set_index(["method", "size", "order"])["q"]
        ends = [q[name, "", 0] for name in ENDS]
        mine = part[(part["method"] == "all") & (part["order"] == 2)]
        expected = (0.9 - q["all", "", 2]) / (0.9 - sum(ends) / 3)
        assert float(mine["removed"].iloc[0]) == pytest.approx(expected)


def test_sisa_is_counted_from_itself_before():
    rows = [row for row in ROWS if row.get("bench") == "labels" and "q" in row]
    rows += [
        {"seed": 5, "bench": "labels", "method": name, "size": "", "order": 0, "q": q}
        for name, q in (("SISA before", 0.7), ("SISA", 0.1))
    ]
    named = chapter(dataset="mnist", **frames())["named"](pd.DataFrame(rows))
    mine = named[named["seed"] == 5].set_index(["method", "order"])
    ends = mine.loc[[(name, 0) for name in ENDS], "q"].mean()
    assert mine.loc[("SISA", 0), "removed"] == pytest.approx((0.7 - 0.1) / (0.9 - ends))


def fine_tuned_candidates(trained, factors):
    """The factors among which the chapter chooses, after each of two budgets."""
    known = functions(TUNES, {"math": math})
    known |= {"n_train": 60, "batch_size": 20, "fine_epochs": [1, 2], "NOTHING": "nothing"}
    known |= {"step_size": 0.1, "fine_factors": factors, "tuned": lambda _, found: (0, found)}
    data = ul.load("digits", seed=0, n_train=60)
    objective = ul.Objective(ul.models.logistic(data))
    run = ul.train(objective, data.train, ul.Schedule(0.1, epochs=1, batch_size=20))
    bench = SimpleNamespace(
        wrong=SimpleNamespace(repaired=data.train), run=run, trained=functools.partial(trained, run)
    )
    return [[pair[0]["factor"] for pair in found] for _, found in known["fine_tuned"](bench)]


def trained_on(run, samples, start, keep, **changes):
    schedule = dataclasses.replace(run.schedule, **changes)
    return ul.train(run.objective, samples, schedule, initial_weights=start, keep=keep)


def test_a_step_size_at_which_fine_tuning_diverges_is_dropped():
    found = fine_tuned_candidates(trained_on, [0.5, 1e300, 1.0])
    assert found == [["nothing", 0.5, 1.0]] * 2


def test_another_refusal_is_not_taken_for_divergence():
    def refuse(*_, **__):
        raise ValueError("rows: expected others")

    with pytest.raises(ValueError, match="rows"):
        fine_tuned_candidates(refuse, [1.0])


def test_every_check_that_the_page_prints_holds():
    printed = "\n".join(checked_text(read(REFERENCES / "18_efficacy.ipynb")))
    assert "False" not in printed
    assert printed.count(": True") == 12
