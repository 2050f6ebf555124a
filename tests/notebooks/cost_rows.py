"""What the claims of chapter 8 are judged by, made again from recorded rows by other code."""

from collections import defaultdict

import numpy as np

SWEEPS = {  # criterion without its side: (part, method or None, size, per step)
    "in-n": ("over n", "HF-OCU, all vectors", "n", True),
    "in-d": ("over d", "HF-OCU, all vectors", "d", True),
    "addition": ("additions", None, "d", False),
    "newton": ("over d", "Newton, request", "d", False),
    "jackknife": ("over d", "jackknife, request", "d", False),
}


def cost_finding(f, values):
    """The quantity of a criterion, for each seed."""
    by_seed = defaultdict(list)
    for row in values:
        by_seed[row["seed"]].append(row)
    name = f["criterion"]
    if name.endswith(("-above", "-below")):
        return {seed: exponent(rows, name.rsplit("-", 1)[0]) for seed, rows in by_seed.items()}
    measure = QUANTITIES[f["claim"].removeprefix("hfocu-"), name]
    return {seed: measure(rows) for seed, rows in by_seed.items()}


def exponent(rows, name):
    part, what, size, per_step = SWEEPS[name]
    rows = [r for r in rows if r["part"] == part and what in (None, r.get("what"))]
    times = [r["ms"] / (r["T"] if per_step else 1) for r in rows]
    return float(np.polyfit(np.log([r[size] for r in rows]), np.log(times), 1)[0])


def settings(key, pick=max, where=lambda row: True):
    def measure(rows):
        return pick(r[key] for r in rows if r["part"] == "published" and key in r and where(r))

    return measure


def dense(rows):
    return max(settings("over Newton")(rows), settings("over jackknife")(rows))


def off(rows):
    (row,) = [r for r in rows if r["part"] == "products"]
    return abs(row["recollection"] / (row["n"] * row["T"]) - 1)


def of(part, what, key):
    def measure(rows):
        (row,) = [r for r in rows if r["part"] == part and r["what"] == what]
        return row[key]

    return measure


def over_cg(rows):
    request, step = (of("whole", w, "ms")(rows) for w in ("HF-OCU, request", "Newton by CG"))
    return request / step


def exact(rows):
    return max(r["exact ms"] for r in rows if r["part"] == "additions")


def in_regime(row):
    return row["baselines"] and row["d"] >= 10 * row["n"]


QUANTITIES = {
    ("table-complexity-precomputation", "products"): off,
    ("table-complexity-storage", "numbers"): settings("over numbers"),
    ("sentence-vector-addition", "additions"): settings("operations"),
    ("sentence-vector-addition", "products"): settings("products"),
    ("sentence-vector-addition", "exact"): of("count", "HF-OCU, request", "others, over d"),
    ("sentence-milliseconds", "addition"): settings("ms"),
    ("sentence-milliseconds", "exact"): exact,
    ("sentence-time", "hundredth"): dense,
    ("sentence-time", "tenth"): dense,
    ("sentence-time", "cg"): over_cg,
    ("sentence-storage", "hundredth"): settings("over matrix", where=in_regime),
    ("sentence-storage", "tenth"): settings("over matrix", where=in_regime),
    ("sentence-storage", "data"): settings("over data", min, lambda row: row["baselines"]),
}
CLAIMS = {f"hfocu-{claim}" for claim, _ in QUANTITIES} | {"hfocu-table-complexity-unlearning"}


def made_up(seed, sides=(10, 20, 40)):
    """Rows as chapter 8 makes them, from power laws that are known."""
    sizes = [{"n": n, "d": 7850, "T": 8 * n, "part": "over n"} for n in (250, 500, 1000)]
    sizes += [{"n": 1000, "d": 10 * s * s, "T": 32, "part": "over d"} for s in sides]
    rows = [{"part": "products", "n": 7, "T": 3, "recollection": 21, "d": 5, "E": 1, "k": 4}]
    for at in sizes:
        n, d = at["n"], at["d"]
        each = {"HF-OCU, all vectors": n**1.1 * d**0.9 * at["T"], "Newton, request": d**2.8,
                "jackknife, request": d**1.9}  # fmt: skip
        rows += [at | {"what": what, "ms": ms} for what, ms in each.items()]
    rows += [{"part": "additions", "d": d, "ms": d**1.2 / 1e6, "exact ms": d / 1e5}
             for d in (10**5, 10**6, 10**7)]  # fmt: skip
    whole = {"HF-OCU, request": 0.1, "Newton by CG": 40.0, "retraining": 50.0,
             "HF-OCU, all vectors": 2000.0}  # fmt: skip
    rows += [{"part": "whole", "n": 1000, "d": 7850, "T": 480, "what": what, "ms": ms}
             for what, ms in whole.items()]  # fmt: skip
    rows.append({"part": "count", "what": "HF-OCU, request", "others, over d": 20.0})
    for d, n, baselines in ((1546, 142, True), (6346, 10000, True), (11 * 10**6, 984, False)):
        rows.append({"part": "published", "setting": str(d), "n": n, "d": d, "T": 9, "ms": d / 1e6,
                     "baselines": baselines, "over numbers": 1 + 1 / n, "over matrix": n / d,
                     "over data": d / n, "operations": 1.0, "products": 0}
                    | ({"over Newton": 1e-5, "over jackknife": 1e-3 * n / d}
                       if baselines else {}))  # fmt: skip
    return [row | {"seed": seed} for row in rows]
