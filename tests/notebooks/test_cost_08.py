"""What chapter 8 concludes from costs, held against simulation and against other code."""

import re

import numpy as np
import pytest
import torch

import unlearning as ul
from tests.notebooks.cost_rows import CLAIMS, cost_finding, made_up
from unlearning.base.operations import Operations
from unlearning.companion import claims, record
from unlearning.companion.chapters import chapters, notebooks_folder, read_chapter

CELLS = read_chapter(chapters(notebooks_folder())["08_cost"]).cells


@pytest.fixture(scope="module")
def chapter():
    """The chapter's functions and constants, without running the rest of it."""
    known = {}
    names = ("import ", "from ", "def ", "LIMITS", "PER_EPOCH", "DENSE", "SINGLE", "STEPWISE")
    for cell in CELLS:
        if "parameters" in cell.metadata.get("tags", []):
            exec(cell.source, known)
        elif cell.cell_type == "code":
            for block in re.split(r"\n(?=\S)(?![)}\]])", cell.source):
                if block.startswith(names):
                    exec(block, known)
    return known


@pytest.fixture(scope="module")
def run(chapter):
    return chapter["learn"](0, n=60)


def passes(run, work):
    """Operations of matrix products, in passes."""
    with Operations() as one:
        run.objective.gradient(run.weights, run.samples.inputs, run.samples.labels)
    with Operations() as counted:
        work()
    return counted.products / one.products


def test_single_steps_take_the_same_in_all_epochs(chapter):
    long, short = (chapter["learn"](0, n=60, passes=E) for E in (5, 1))
    long, short = (passes(run, lambda run=run: ul.recollect(run, kernel="layers"))
                   for run in (long, short))  # fmt: skip
    once = (5 * short - long) / 4  # what is done but once: two gradients of the first batch
    assert once == pytest.approx(2 * 32 / 60)


def test_proposition_counts_what_is_carried_out(chapter, run):
    ways, k = chapter["methods"](run), 12
    expected = chapter["proposition"](n=60, p=64, c=10, E=5, k=k)
    for name in ("retraining", "matrix, from products", "factor", "jackknife, all vectors"):
        ways[name]([1])
        assert passes(run, lambda name=name: ways[name]([0])) == pytest.approx(
            expected[name], rel=0.02
        )


def test_skipping_zeros_saves_what_is_said(run):
    sizes = [len(batch) for batch in run.batches]
    n, epoch = 60, len(sizes) // 5
    needed = 0
    for u in range(n):
        first = next(t for t, batch in enumerate(run.batches) if u in batch)
        needed += sum(sizes[first + 1 :]) / n
    saved = (n**2 + sum(b**2 for b in sizes[:epoch])) / (2 * n)
    assert needed == pytest.approx(5 * n - saved)


def test_vectors_of_the_jackknife_are_its_requests(chapter, run):
    vectors = chapter["methods"](run)["jackknife, all vectors"](None)
    settings = {"dtype": torch.float64}
    for some in ([7], [3, 14, 15]):
        moved = ul.infinitesimal_jackknife(run, some, **settings).weights - run.weights
        torch.testing.assert_close(vectors[some].sum(0), moved, rtol=1e-3, atol=1e-6)


def test_each_vector_is_matched_to_its_image(chapter, run):
    assert chapter["matched"](run)["found"] == 60


def test_deleted_curvature_has_low_rank_and_the_penalty_has_not(chapter):
    run = chapter["learn"](0, n=60, width=4)
    n, rows, forget = 60, run.samples, [3]

    def matrix(samples, weight, penalty):
        whole = torch.func.hessian(run.objective.mean_loss)
        w = run.weights.double()
        inputs = samples.inputs.double()
        d = len(w)
        return weight * whole(w, inputs, samples.labels) + penalty * torch.eye(d).double()

    kept = rows[[i for i in range(n) if i not in forget]]
    before = matrix(rows, 1.0, 0.5)
    rank = {name: int(torch.linalg.matrix_rank(before - after, atol=1e-9)) for name, after in {
        "R1": matrix(kept, 1.0, 0.5), "R2": matrix(kept, 59 / 60, 0.5 * 59 / 60),
        "R3": matrix(kept, 59 / 60, 0.5)}.items()}  # fmt: skip
    assert rank["R3"] == 9  # m (c - 1)
    assert rank["R2"] == run.objective.dimension


def test_findings_follow_from_rows_by_other_code(chapter):
    rows = made_up(1) + made_up(2, sides=(10, 20, 30))
    found = chapter["findings"](rows)
    assert {f["claim"] for f in found} == CLAIMS
    wanted = {(name, c.id) for name in CLAIMS for c in claims.load()[name].criteria}
    assert {(f["claim"], f["criterion"]) for f in found} == wanted
    for f in found:
        values = list(cost_finding(f, rows).values())
        assert [f["least"], f["greatest"]] == pytest.approx([min(values), max(values)])


PAPER = record.load("cost-mnist-sizes")
SEEDS, EPOCHS = PAPER["parameters"]["seeds"], PAPER["parameters"]["epochs"]
BY = {(f["claim"], f["criterion"]): f for f in PAPER["findings"]}


def median_slope(sweep, what, size):
    """Mean over the seeds of the slope of log time over log size, by least squares."""
    found = []
    for seed in SEEDS:
        rows = [r for r in PAPER["values"] if (r["part"], r["seed"]) == (sweep, seed)]
        times = {r[size]: r["ms"] for r in rows if r.get("what") == what}
        found.append(np.polyfit(np.log(list(times)), np.log(list(times.values())), 1)[0])
    return np.mean(found)


@pytest.mark.parametrize(
    ("sweep", "what", "size", "said"),
    [
        ("over n", "HF-OCU, per step", "n", 0.68),
        ("over d", "HF-OCU, per step", "d", 1.2),
        ("additions", None, "d", 1.27),
        ("over d", "retraining", "d", 0.11),
    ],
)
def test_exponents_in_prose(sweep, what, size, said):
    if what == "HF-OCU, per step":
        what = "HF-OCU, all vectors"
        said += size == "n"  # the number of steps grows with n as well
    assert median_slope(sweep, what, size) == pytest.approx(said, abs=0.0051)


def test_intervals_and_shares_in_prose():
    step = BY["hfocu-table-complexity-precomputation", "in-d"]
    assert (step["low"], step["high"]) == pytest.approx((1.14, 1.26), abs=0.005)
    storage = {name: BY["hfocu-sentence-storage", name] for name in ("tenth", "regime", "data")}
    assert storage["tenth"]["greatest"] == pytest.approx(1.58, abs=0.005)
    assert storage["regime"]["greatest"] == pytest.approx(0.095, abs=0.0005)
    assert storage["data"]["least"] >= 9.9
    numbers = [r["n"] * r["d"] * 4e-6 for r in PAPER["values"] if r["part"] == "over d"]
    assert (min(numbers), max(numbers)) == pytest.approx((4, 125), abs=0.6)


def test_paid_off_in_prose(chapter):
    until = {s: chapter["requests_until"](chapter["cost_of"](PAPER["values"], s), 1000)
             for s in SEEDS}  # fmt: skip
    against = sorted(int(found["retraining"]) for found in until.values())
    assert (against[0], against[-1]) == (29, 42)


def test_who_is_fastest_in_prose(chapter):
    tables = [chapter["winners"](PAPER["values"], seed, EPOCHS) for seed in SEEDS]
    for table in tables:
        sizes = table.index.get_level_values("d")
        assert set(table["1"]) == {"Newton by CG"}
        assert set(table["10"][sizes != 1010]) == {"Newton by CG"}
        assert set(table["n / 10"][sizes <= 1970]) == {"jackknife vectors"}
        assert set(table["n / 10"][sizes >= 7850]) == {"Newton by CG"}
        dense = (sizes <= 7850) & (table.index.get_level_values("n") == 1000)
        assert set(table["n"][dense]) == {"jackknife vectors"}
        assert set(table["n"][~dense & (sizes != 16010)]) == {"HF-OCU"}
    assert sum(table["n"][1000, 16010] == "HF-OCU" for table in tables) == 6
