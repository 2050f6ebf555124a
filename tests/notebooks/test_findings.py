"""Findings and effects in records, made again from the recorded rows by other code."""

import math

import numpy as np
import pytest
from scipy import stats

from unlearning.companion import record

KEPT = record.load_all()
METHODS = {"as_specified": "HF-OCU", "as_released": "HF-OCU as released"}
BOUNDS = {  # criterion: (numerators, of which the largest counts; denominator)
    "above": (("error", "error, classes"), "bound, any set"),
    "useful": (("bound, any set",), "do nothing"),
    "useful-one-set": (("bound, one set",), "do nothing"),
}
STEPS = {
    "hfocu-penalty-share": ("R2 sources", "HF-OCU"),
    "hfocu-extra-factor": ("and extra_factor", "R2 sources"),
    "hfocu-transposed-clip": ("and transposed_clip", "R2 sources"),
    "hfocu-sample-clip": ("and sample_clip", "R2 sources"),
    "hfocu-as-released": ("HF-OCU as released", "HF-OCU"),
}


def worst(rows, column, pick=max):
    """The largest (or smallest) entry of a column for each seed."""
    found = {}
    for row in rows:
        found.setdefault(row["seed"], []).append(row[column])
    return {seed: pick(values) for seed, values in found.items()}


def of(values, **where):
    return [row for row in values if all(row.get(k) == v for k, v in where.items())]


def shares(values, method, convention, **where):
    """Distance as a share of doing nothing, one row a seed and size."""
    nothing = {
        (row["seed"], row["m"]): row["distance"]
        for row in of(values, method="do nothing", convention=convention)
    }
    rows = of(values, method=method, convention=convention, **where)
    return [row | {"share": row["distance"] / nothing[row["seed"], row["m"]]} for row in rows]


def measured(f, values):
    method, convention = METHODS[f["mode"]], f["convention"]
    rows = of(values, convention=convention)
    match f["criterion"]:
        case "derivative":
            return worst(rows, "difference")
        case "gap":
            return worst(rows, "gap")
        case "share":
            return worst(shares(values, method, convention), "share")
        case "correlation":
            return worst(of(rows, method=method), "pearson forget", min)
        case "slope":
            return worst(of(rows, method=method), "slope forget", min)
        case "above" | "useful" | "useful-one-set" as name:
            over, under = BOUNDS[name]
            sizes = [row for row in values if "bound, public" in row]
            ratios = [{name: max(row[o] for o in over) / row[under]} for row in sizes]
            return worst([a | b for a, b in zip(sizes, ratios, strict=True)], name)


def check(kept, by_seed, correlation=False):
    values = np.array(list(by_seed.values()))
    z = np.arctanh(values) if correlation else values
    low, high = stats.t.interval(0.95, len(z) - 1, z.mean(), stats.sem(z))
    back = math.tanh if correlation else float
    expected = [back(z.mean()), back(low), back(high), values.min(), values.max()]
    given = [kept[key] for key in ("mean", "low", "high", "least", "greatest")]
    # Rows and findings are both rounded to six digits.
    assert given == pytest.approx(expected, rel=2e-5, abs=5e-6)
    assert sorted(kept["seeds"]) == sorted(by_seed)


@pytest.mark.parametrize("name", KEPT)
def test_findings_follow_from_the_rows(name):
    kept = KEPT[name]
    assert kept["findings"] or kept["effects"]
    for f in kept["findings"]:
        by_seed = measured(f, kept["values"])
        assert len(by_seed) == 7
        check(f, by_seed, correlation=f["criterion"] == "correlation")


def test_effects_follow_from_the_rows():
    kept = KEPT["verification-mnist-logistic"]
    assert {effect["subject"] for effect in kept["effects"]} == set(STEPS)
    for effect in kept["effects"]:
        m = int(effect["setting"].split(",")[0].removeprefix("m = "))
        found = {
            side: {row["seed"]: row["share"] for row in shares(kept["values"], method, "R1", m=m)}
            for side, method in zip(("with", "without"), STEPS[effect["subject"]], strict=True)
        }
        for side, by_seed in found.items():
            check(effect[side], by_seed)
        change = {seed: value - found["without"][seed] for seed, value in found["with"].items()}
        check(effect["change"], change)
