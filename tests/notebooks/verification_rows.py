"""What the claims of chapter 9 are judged by, made again from recorded rows by other code."""

import math

import numpy as np

METHODS = {"as_specified": "HF-OCU", "as_released": "HF-OCU as released"}
NAMES = {"newton": "Newton", "jackknife": "jackknife"}
CLAIMS = (
    "hfocu-figure-1",
    "hfocu-figure-4",
    "hfocu-sentence-test-accuracy",
    "hfocu-sentence-non-convex",
)
STEPS = {
    "hfocu-penalty-share": ("R2 sources", "HF-OCU"),
    "hfocu-extra-factor": ("and extra_factor", "R2 sources"),
    "hfocu-transposed-clip": ("and transposed_clip", "R2 sources"),
    "hfocu-sample-clip": ("and sample_clip", "R2 sources"),
    "hfocu-as-released": ("HF-OCU as released", "HF-OCU"),
    "hfocu-broadcast-step": ("Newton as released", "Newton whole step"),
    "hfocu-mean-gradient": ("Newton whole step", "Newton sum"),
    "hfocu-no-penalty": ("Newton sum", "Newton damped"),
    "hfocu-baselines-as-released": ("Newton as released", "Newton, one-term"),
}


def judges(claim):
    return claim.startswith(CLAIMS)


def places(values, convention, order="fixed"):
    """For each seed and size, the rows of all methods; a baseline's name may stand twice."""
    found = {}
    for row in values:
        if "accuracy" in row and (row["convention"], row["order"]) == (convention, order):
            found.setdefault((row["seed"], row["m"]), []).append(row)
    return found


def one(rows, name):
    """The row of a method; of several forms or dampings the closest to retrained."""
    mine = [r for r in rows if r["method"] == name or r["method"].startswith(f"{name}, ")]
    return min(mine, key=lambda row: row["distance"])


def each_seed(table, pick):
    """Over the sizes of each seed, by ``pick``."""
    seeds = dict.fromkeys(seed for seed, _ in table)
    return {s: pick([value for (seed, _), value in table.items() if seed == s]) for s in seeds}


def share(rows, name):
    return one(rows, name)["distance"] / one(rows, "do nothing")["distance"]


def verification_finding(f, values):
    """The quantity of a criterion, for each seed."""
    claim, criterion = f["claim"], f["criterion"]
    if claim.startswith("hfocu-figure-4"):
        return spreads(f, values)
    table = places(values, f["convention"])
    method = METHODS[f["mode"]]
    if claim.endswith("-baselines"):
        return comparison(criterion, values, f["convention"])
    if criterion in ("correlation", "slope"):
        column = {"correlation": "pearson forget", "slope": "slope forget"}[criterion]
        return each_seed({k: one(rows, method)[column] for k, rows in table.items()}, min)
    if claim == "hfocu-sentence-test-accuracy":
        other = NAMES[criterion.split("-")[0]]
        gaps = {k: one(r, method)["accuracy"] - one(r, other)["accuracy"] for k, r in table.items()}
        return each_seed(gaps, np.mean)
    floor = {row["seed"]: row["floor"] for row in values if "floor" in row}
    if claim == "hfocu-figure-1a-distance":
        floor = dict.fromkeys(floor, 0.0)
    shares = {
        (seed, m): share(rows, method) + floor[seed] / one(rows, "do nothing")["distance"]
        for (seed, m), rows in table.items()
    }
    return each_seed(shares, max)


def comparison(criterion, values, convention):
    """HF-OCU less another method: at one size, or averaged over the sizes."""
    name, what = criterion.split("-", 1)
    other, order = NAMES[name], "fixed"
    if what == "one-term":
        other = f"{other}, one-term"
    elif not what.isdigit():
        order = what.replace("-even", ", even")
    table = places(values, convention, order)
    less = {place: share(r, "HF-OCU") - share(r, other) for place, r in table.items()}
    if what.isdigit():
        return {seed: value for (seed, m), value in less.items() if m == int(what)}
    return each_seed(less, np.mean)


def log_spread(ratios):
    return math.log(np.std(np.log(ratios), ddof=1))


def spreads(f, values):
    """Figure 4: spread of the norm ratio for HF-OCU against another, on a log scale."""
    sign = -1 if f["claim"].endswith("-baselines") else 1
    other = f"{NAMES[f['criterion'].split('-')[0]]}, one-term"
    if f["criterion"].endswith("-sets"):
        return {s: sign * gap for s, gap in spreads_of_sets(values, other).items()}
    order = "reshuffled" if f["criterion"].endswith("-reshuffled") else "fixed"
    table = places(values, f["convention"], order)
    ratios = {
        place: [one(rows, name)["norm"] / one(rows, "do nothing")["distance"]
                for name in ("HF-OCU", other)]
        for place, rows in table.items()
    }  # fmt: skip
    if f["criterion"].endswith("-norm"):
        off = {place: [abs(math.log(ratio)) for ratio in pair] for place, pair in ratios.items()}
        return each_seed({place: ours - theirs for place, (ours, theirs) in off.items()}, np.mean)
    seeds, sizes = (list(dict.fromkeys(key[i] for key in ratios)) for i in (0, 1))

    def statistic(some):
        gaps = []
        for m in sizes:
            ours, theirs = np.array([ratios[seed, m] for seed in some]).T
            gaps.append(log_spread(ours) - log_spread(theirs))
        return np.mean(gaps)

    k, whole = len(seeds), statistic(seeds)
    left_out = {seed: statistic([s for s in seeds if s != seed]) for seed in seeds}
    return {seed: sign * (k * whole - (k - 1) * value) for seed, value in left_out.items()}


def spreads_of_sets(values, other):
    rows = [row for row in values if "set" in row]
    found = {}
    for seed in dict.fromkeys(row["seed"] for row in rows):
        ours, theirs = (
            [r["norm"] / r["exact"] for r in rows if (r["seed"], r["method"]) == (seed, name)]
            for name in ("HF-OCU", other)
        )
        found[seed] = log_spread(ours) - log_spread(theirs)
    return found


def sides_of(effect, values):
    """Both sides of an effect, for each seed."""
    subject, setting = effect["subject"], effect["setting"]
    if subject == "hfocu-chaotic-network":
        runs = [row for row in values if "floor" in row]
        return [{row["seed"]: row[key] for row in runs} for key in ("floor", "run again")]
    m, rest, *control = setting.removeprefix("m = ").split(", ")
    even = ", even" if control else ""
    if subject == "hfocu-fixed-batch-order":
        return [
            {
                seed: share(rows, "HF-OCU") - share(rows, "Newton")
                for (seed, size), rows in places(values, rest, order).items()
                if size == int(m)
            }
            for order in (f"fixed{even}", f"reshuffled{even}")
        ]
    table = {seed: rows for (seed, size), rows in places(values, "R1").items() if size == int(m)}
    return [{seed: share(rows, name) for seed, rows in table.items()} for name in STEPS[subject]]
