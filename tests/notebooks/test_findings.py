"""Findings and effects in records, made again from the recorded rows by other code."""

import math

import numpy as np
import pytest
from scipy import stats

from tests.notebooks import (
    certificate_rows,
    correction_rows,
    cost_rows,
    efficacy_rows,
    membership_rows,
    relearning_rows,
    risk_rows,
    selection_rows,
    verification_rows,
)
from tests.notebooks.repair_rows import repair_finding
from tests.notebooks.schedule_rows import RANKS, schedule_finding
from unlearning.companion import record

KEPT = record.load_all()
METHODS = {"as_specified": "HF-OCU", "as_released": "HF-OCU as released"}
BOUNDS = {  # criterion: (numerators, of which the largest counts; denominator)
    "above": (("error", "error, classes"), "bound, any set"),
    "useful": (("bound, any set",), "do nothing"),
    "useful-one-set": (("bound, one set",), "do nothing"),
}
BASELINES = {"newton": "Newton", "jackknife": "jackknife"}
NO_CLAIM = {"diagonal-diagonal-mnist"}  # its chapter decides nothing
DISTANCES = {  # in chapter 14
    "hfocu-penalty-share": ("HF-OCU, R2 sources", "HF-OCU"),
    "hfocu-as-released": ("HF-OCU as released", "HF-OCU"),
    "hfocu-broadcast-step": ("Newton as released", "Newton whole step"),
    "hfocu-adult-columns": ("columns shuffled", "HF-OCU as released"),
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


def closest(rows, method):
    """Of a baseline's forms and dampings the closest, one row a seed and size."""
    found = {}
    for row in of(rows, method=method):
        place = row["seed"], row["m"]
        found[place] = min(row["distance"], found.get(place, math.inf))
    return found


def measured(f, values):
    if f["claim"] in certificate_rows.CLAIMS:
        return certificate_rows.certificate_finding(f, values)
    if f["claim"] in risk_rows.CLAIMS:
        return risk_rows.risk_finding(f, values)
    if f["claim"] in correction_rows.CLAIMS:
        return correction_rows.correction_finding(f, values)
    if f["claim"] in selection_rows.CLAIMS:
        return selection_rows.selection_finding(f, values)
    if f["claim"] in membership_rows.CLAIMS:
        return membership_rows.membership_finding(f, values)
    if f["claim"] == relearning_rows.CLAIM:
        return relearning_rows.relearning_finding(f, values)
    if f["claim"] in cost_rows.CLAIMS:
        return cost_rows.cost_finding(f, values)
    if f["claim"] in efficacy_rows.CLAIMS:
        return efficacy_rows.efficacy_finding(f, values)
    if verification_rows.judges(f["claim"]):
        return verification_rows.verification_finding(f, values)
    method, convention = METHODS[f["mode"]], f["convention"]
    rows = of(values, convention=convention)
    match f["criterion"]:
        case "derivative":
            return worst(rows, "difference")
        case "gap":
            return worst(rows, "gap")
        case "above" | "useful" | "useful-one-set" as name:
            over, under = BOUNDS[name]
            sizes = [row for row in values if "bound, public" in row]
            ratios = [{name: max(row[o] for o in over) / row[under]} for row in sizes]
            return worst([a | b for a, b in zip(sizes, ratios, strict=True)], name)
        case "newton" | "jackknife" as name:
            other = closest(rows, BASELINES[name])
            mine = [
                row | {"less": row["distance"] - other[row["seed"], row["m"]]}
                for row in of(rows, method=method)
            ]
            return worst(mine, "less")
        case "bytes":
            return {row["seed"]: row["n"] / row["d"] for row in values if "d" in row}
        case "addition":
            return worst([row for row in values if "addition" in row], "addition")
        case "not-above" | "not-below":
            return worst(of(rows, method=method), "distance")
        case "shuffled-not-above" | "shuffled-not-below":
            return worst(of(rows, method="columns shuffled"), "distance")
        case "wine" | "obesity":
            return worst(shares(values, method, convention), "share")
        case "mnist":
            fixed = of(values, order="fixed")
            return worst(shares(fixed, method, convention), "share")
        case _:
            return repair_finding(f, values) or schedule_finding(f, values)


def check_ends(kept, by_seed, within=5e-6):
    """Of one seed: no interval."""
    (value,) = by_seed.values()
    given = [kept[key] for key in ("mean", "least", "greatest")]
    assert given == pytest.approx([value] * 3, rel=2e-5, abs=within)
    assert "low" not in kept


def check(kept, by_seed, correlation=False, within=5e-6):
    values = np.array(list(by_seed.values()))
    z = np.arctanh(values) if correlation else values
    half = stats.t.ppf(0.975, len(z) - 1) * stats.sem(z)
    low, high = z.mean() - half, z.mean() + half
    back = math.tanh if correlation else float
    expected = [back(z.mean()), back(low), back(high), values.min(), values.max()]
    given = [kept[key] for key in ("mean", "low", "high", "least", "greatest")]
    # Rows and findings are both rounded to six digits.
    assert given == pytest.approx(expected, rel=2e-5, abs=within)
    assert sorted(kept["seeds"]) == sorted(by_seed)


@pytest.mark.parametrize("name", KEPT)
def test_findings_follow_from_the_rows(name):
    kept = KEPT[name]
    assert kept["findings"] or kept["effects"] or name in NO_CLAIM
    for f in kept["findings"]:
        by_seed = measured(f, kept["values"])
        assert sorted(by_seed) == sorted(kept["parameters"]["seeds"])
        if len(by_seed) == 1:
            check_ends(f, by_seed)
            continue
        ranks = ("correlation", *RANKS, *selection_rows.RANKS, *membership_rows.RANKS)
        on_fishers_scale = f["criterion"] in ranks
        # Spreads are small differences of rounded numbers, and pseudo-values take seven times them.
        within = 2e-3 if f["claim"].startswith("hfocu-figure-4") else 5e-6
        check(f, by_seed, correlation=on_fishers_scale, within=within)


def test_effects_of_chapter_9_follow_from_the_rows():
    mine = {name: kept for name, kept in KEPT.items() if name.startswith("verification-")}
    logistic = {effect["subject"] for effect in mine["verification-mnist-logistic"]["effects"]}
    assert logistic > set(verification_rows.STEPS)
    for kept in mine.values():
        for effect in kept["effects"]:
            sides = verification_rows.sides_of(effect, kept["values"])
            check(effect["with"], sides[0])
            check(effect["without"], sides[1])
            check(effect["change"], {k: v - sides[1][k] for k, v in sides[0].items()})


@pytest.mark.parametrize("name", [name for name in KEPT if name.startswith("membership-")])
def test_effects_of_chapter_12_follow_from_the_rows(name):
    kept = KEPT[name]
    steps = {effect["subject"] for effect in kept["effects"]}
    wanted = {subject for subject in membership_rows.DEPARTURES if subject != "hfocu-miau-dropout"}
    if name.endswith("cnn"):  # its large shadows would take too long
        wanted = {subject for subject in membership_rows.DEPARTURES if "miau" in subject}
    assert steps == wanted
    for effect in kept["effects"]:
        sides = membership_rows.sides_of(effect, kept["values"])
        check(effect["with"], sides[0])
        check(effect["without"], sides[1])
        change = {k: v - sides[1][k] for k, v in sides[0].items()}
        check(effect["change"], change, within=1.5e-5)


def test_effects_on_other_data_sets_follow_from_the_rows():
    for name in (name for name in KEPT if name.startswith("other-data-sets")):
        for effect in KEPT[name]["effects"]:
            m = int(effect["setting"].split("m = ")[1].split(",")[0])
            rows = of(KEPT[name]["values"], m=m, convention="R1")
            sides = {
                side: {row["seed"]: row["distance"] for row in of(rows, method=method)}
                for side, method in zip(
                    ("with", "without"), DISTANCES[effect["subject"]], strict=True
                )
            }
            without = sides["without"]
            sides["change"] = {k: v - without[k] for k, v in sides["with"].items()}
            for side, by_seed in sides.items():
                # Rows have six digits: a difference of two is off by more than either.
                within = 1.5e-5 if side == "change" else 5e-6
                ends = check if len(by_seed) > 1 else check_ends
                ends(effect[side], by_seed, within=within)
