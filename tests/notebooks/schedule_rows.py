"""What the claims of chapter 10 are judged by, made again from recorded rows by other code."""

import io
import math

import pandas as pd
from scipy import stats

from tests.notebooks.references import NOTEBOOKS
from unlearning.companion.chapters import chapters, read_chapter

OVERFLOW = 1e300  # chapter 10 says this for a distance that has left the range of numbers
RANKS = {  # criterion: (relative to doing nothing, up to this step size)
    "rank-of-distance": (False, math.inf),
    "rank-of-share": (True, math.inf),
    "stable-rank-of-distance": (False, 0.25),
    "stable-rank-of-share": (True, 0.25),
}


def digitised():
    """The published step-size figure, as chapter 10 has it."""
    cells = read_chapter(chapters(NOTEBOOKS)["10_schedule"]).cells
    (source,) = [c.source for c in cells if "digitised = pd.read_csv" in c.source]
    return pd.read_csv(io.StringIO(source.split('"""')[1])).set_index("step size")


def schedule_finding(f, values):
    """The quantity of a criterion, for each seed."""
    steps = [r for r in values if "convention" in r and "epochs" not in r and "clip" not in r]
    if f["criterion"] in RANKS:
        relative, most = RANKS[f["criterion"]]
        return ranks([r for r in steps if r["step size"] <= most], relative)
    if f["criterion"] == "share-unconverged":
        return unconverged([r for r in values if "epochs" in r])
    if f["criterion"] == "growth":
        seeds = {r["seed"] for r in steps}
        return {seed: growth([r for r in steps if r["seed"] == seed]) for seed in seeds}
    return {42: figure(steps)[f["criterion"]]}


def far(row):
    """The distance of a row; infinite where it has left the range of numbers."""
    return math.inf if row["distance"] is None else row["distance"]


def distances(rows, *keys):
    """Distances of HF-OCU and of doing nothing under R2, by the keys."""
    found = {"HF-OCU": {}, "do nothing": {}}
    for r in rows:
        if r["convention"] == "R2" and r["method"] in found:
            found[r["method"]][tuple(r[key] for key in keys)] = far(r)
    return found


def ranks(rows, relative):
    found = distances(rows, "seed", "m", "step size")
    least = {}
    for seed, m in {key[:2] for key in found["HF-OCU"]}:
        keys = sorted(key for key in found["HF-OCU"] if key[:2] == (seed, m))
        value = [
            found["HF-OCU"][key] / (found["do nothing"][key] if relative else 1) for key in keys
        ]
        rank = stats.spearmanr([key[2] for key in keys], value).statistic
        least[seed] = min(rank, least.get(seed, 1.0))
    return least


def unconverged(rows):
    base = [r for r in rows if (r["step size"], r["decay"]) == (0.05, 0.995)]
    found = distances([r for r in base if r["gradient norm"] > 0.1], "seed", "m", "epochs")
    largest = {}
    for key, distance in found["HF-OCU"].items():
        share = min(distance / found["do nothing"][key], OVERFLOW)
        largest[key[0]] = max(share, largest.get(key[0], 0.0))
    return largest


def released_by_step(rows, method):
    """Rows of a method by step size: 50 samples deleted, R1."""
    rows = [r for r in rows if r["convention"] == "R1" and r["m"] == 50]
    return {r["step size"]: r for r in rows if r["method"] == method}


def growth(rows):
    """How far the distance has grown by a step size of 0.29."""
    released = released_by_step(rows, "HF-OCU as released")
    largest = max(far(released[eta]) for eta in (0.27, 0.28, 0.29))
    return min(largest / far(released[0.26]), OVERFLOW)


def figure(rows):
    """How far the recomputed curves are from the published points."""
    released = released_by_step(rows, "HF-OCU as released")
    learned = released_by_step(rows, "do nothing")
    points = digitised()
    until = [eta for eta in points.index if eta <= 0.26]
    gap = max(abs(far(released[eta]) - points.loc[eta, "distance"]) for eta in until)
    off = max(abs(100 * learned[eta]["accuracy"] - points.loc[eta, "accuracy"]) for eta in until)
    found = {"digitised-distance": gap, "digitised-accuracy": off}
    return {name: min(value, OVERFLOW) for name, value in found.items()}
