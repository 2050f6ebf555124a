"""What the claims of chapter 8 are judged by, made again from recorded rows by other code."""

from collections import defaultdict

import numpy as np

SWEEPS = {  # criterion: (part, method or None, size, per step)
    "in-n": ("over n", "HF-OCU, all vectors", "n", True),
    "in-d": ("over d", "HF-OCU, all vectors", "d", True),
    "addition": ("additions", None, "d", False),
    "newton-above": ("over d", "Newton, request", "d", False),
    "newton-below": ("over d", "Newton, request", "d", False),
    "jackknife-above": ("over d", "jackknife, request", "d", False),
    "jackknife-below": ("over d", "jackknife, request", "d", False),
}


def cost_finding(f, values):
    """The quantity of a criterion, for each seed."""
    by_seed = defaultdict(list)
    for row in values:
        by_seed[row["seed"]].append(row)
    name = f["criterion"]
    if name in SWEEPS:
        return {seed: exponent(rows, name) for seed, rows in by_seed.items()}
    measure = QUANTITIES[f["claim"].removeprefix("hfocu-"), name]
    return {seed: measure(rows) for seed, rows in by_seed.items()}


def exponent(rows, name):
    part, what, size, per_step = SWEEPS[name]
    rows = [r for r in rows if r["part"] == part and what in (None, r.get("what"))]
    times = [r["ms"] / (r["T"] if per_step else 1) for r in rows]
    return float(np.polyfit(np.log([r[size] for r in rows]), np.log(times), 1)[0])


def over(part, key, pick=max, where=lambda row: True):
    """One of the numbers in the rows of a part."""

    def measure(rows):
        return pick(r[key] for r in rows if r["part"] == part and key in r and where(r))

    return measure


def settings(key, pick=max, where=lambda row: True):
    return over("published", key, pick, where)


def dense(rows):
    return max(settings("over Newton")(rows), settings("over jackknife")(rows))


def off(rows):
    (row,) = [r for r in rows if r["part"] == "products"]
    return abs(row["recollection"] / (row["n"] * row["T"]) - 1)


def kept(*what):
    """How far bytes are from four for each number, at most."""

    def measure(rows):
        mine = [r for r in rows if r["part"] == "bytes" and r["what"] in what]
        return max(abs(r["bytes"] - 4 * r["numbers"]) / (4 * r["numbers"]) for r in mine)

    return measure


def growth(rows):
    return over("request", "over d")(rows) / over("request", "over d", min)(rows)


def over_cg(rows):
    ms = {r["what"]: r["ms"] for r in rows if r["part"] == "whole"}
    return ms["HF-OCU, request"] / ms["Newton by CG"]


def ran(row):
    return row["baselines"]


QUANTITIES = {
    ("table-complexity-precomputation", "products"): off,
    ("table-complexity-storage", "numbers"): kept("HF-OCU", "HF-OCU, files"),
    ("table-complexity-storage", "matrix"): kept("Newton", "jackknife"),
    ("sentence-vector-addition", "products"): over("request", "products"),
    ("sentence-vector-addition", "growth"): growth,
    ("sentence-vector-addition", "whole"): over("request", "over d"),
    ("sentence-milliseconds", "ten"): settings("ms"),
    ("sentence-milliseconds", "hundred"): settings("ms"),
    ("sentence-milliseconds", "file"): settings("file ms"),
    ("sentence-time", "hundredth"): dense,
    ("sentence-time", "tenth"): dense,
    ("sentence-time", "cg"): over_cg,
    ("sentence-storage", "hundredth"): settings("over matrix", where=ran),
    ("sentence-storage", "tenth"): settings("over matrix", where=ran),
    ("sentence-storage", "regime"): settings(
        "over matrix", where=lambda row: ran(row) and row["d"] >= 10 * row["n"]
    ),
    ("sentence-storage", "data"): settings("over data", min, ran),
}
CLAIMS = {f"hfocu-{claim}" for claim, _ in QUANTITIES} | {"hfocu-table-complexity-unlearning"}


def made_up(seed, sides=(10, 20, 40)):
    """Rows as chapter 8 makes them, from power laws that are known."""
    sizes = [{"n": n, "d": 7850, "T": 8 * n, "part": "over n"} for n in (250, 500, 1000)]
    sizes += [{"n": 1000, "d": 10 * s * s, "T": 32, "part": "over d"} for s in sides]
    rows = [{"part": "products", "n": 7, "T": 3, "recollection": 21, "E": 1, "k": 4}]
    for at in sizes:
        n, d = at["n"], at["d"]
        each = {"HF-OCU, all vectors": n**1.1 * d**0.9 * at["T"], "Newton, request": d**2.8,
                "jackknife, request": d**1.9}  # fmt: skip
        rows += [at | {"what": what, "ms": ms} for what, ms in each.items()]
    rows += [{"part": "additions", "d": d, "ms": d**1.2 / 1e6} for d in (10**5, 10**6, 10**7)]
    whole = {"HF-OCU, request": 0.1, "Newton by CG": 40.0, "retraining": 50.0,
             "HF-OCU, all vectors": 2000.0}  # fmt: skip
    rows += [{"part": "whole", "n": 1000, "d": 7850, "T": 480, "what": what, "ms": ms}
             for what, ms in whole.items()]  # fmt: skip
    for d, share in ((100, 1.04), (sides[-1] ** 2, 0.97)):
        rows += [{"part": "bytes", "what": what, "bytes": 4 * d * share * more, "numbers": d}
                 for what, more in (("HF-OCU", 1), ("HF-OCU, files", 1.01), ("Newton", 1.02),
                                    ("jackknife", 0.9), ("retraining", 3))]  # fmt: skip
        rows.append({"part": "request", "d": d, "products": d // 1000, "over d": 19 + share})
    for d, n, baselines in ((1546, 142, True), (6346, 10000, True), (11 * 10**6, 984, False)):
        rows.append({"part": "published", "setting": str(d), "n": n, "d": d, "ms": d / 1e6,
                     "file ms": d / 1e5, "baselines": baselines, "over matrix": n / d,
                     "over data": d / n}
                    | ({"over Newton": 1e-5, "over jackknife": 1e-3 * n / d}
                       if baselines else {}))  # fmt: skip
    return [row | {"seed": seed} for row in rows]
