"""What the claims of chapter 17 are judged by, made again from recorded rows by other code."""

import math

from scipy import stats

ENDS = ("largest", "smallest")
ORDERS = {"first": 1, "second": 2}
CLAIMS = {"saps-sentence-subset", "saps-sentence-sharpness"} | {
    f"saps-sentence-{end}-{order}" for end in ENDS for order in ORDERS
}
SHARES = (0.01, 0.05, 0.1)
ENTRIES = {"largest": "largest_diagonal", "smallest": "smallest_diagonal", "random": "random"}
CHOICES = (
    *("largest_diagonal", "smallest_diagonal", "largest_gradient", "largest_gain"),
    *("fisher_ratio", "saliency", "largest_magnitude", "smallest_magnitude"),
)
RANKS = [
    f"{sets}-{order}-{net}"
    for sets in ("trace", "above")
    for order in ORDERS
    for net in ("mlp", "cnn")
]
RISES = {  # criterion: measure, and what it is compared with
    "mean-rise": ("mean rise", "random"),
    "worst-rise": ("worst", "random"),
    "worst-slope": ("worst", "largest_slope"),
}


def selection_finding(f, values):
    """The quantity of a criterion, for each seed."""
    name = f["criterion"].rpartition("-")[0]  # without the network
    seeds = sorted({row["seed"] for row in values})
    claim = f["claim"].removeprefix("saps-sentence-")
    return {seed: quantity(claim, name, of(values, seed=seed)) for seed in seeds}


def of(values, **where):
    return [row for row in values if all(row.get(key) == wanted for key, wanted in where.items())]


def quantity(claim, name, rows):
    """Of one seed."""
    if name in RISES:
        measure, other = RISES[name]
        (mine,), (theirs,) = (
            of(rows, part="rise", sharp=sharp) for sharp in ("largest_diagonal", other)
        )
        return math.log(max(mine[measure], 1e-12)) - math.log(max(theirs[measure], 1e-12))
    words = [*claim.split("-"), *name.split("-")]
    (order,) = (number for word, number in ORDERS.items() if word in words)
    if claim == "sharpness":
        sets = of(rows, part="set")
        if name.startswith("above"):
            sets = [row for row in sets if row["dimension"] > 0.9 * row["size"]]
        return rank_correlation(sets, order)
    mine = of(rows, part="correction", order=order, **{"with dead": False})
    if claim == "subset":
        best = mean(chosen(of(mine, share=share))["points"] for share in SHARES)
        if name.startswith("best-random"):
            return best - points(mine, "random")
        (everything,) = of(mine, rule="all")
        return best - 0.9 * everything["points"]
    return direction(claim.split("-")[0], name, mine)


def direction(end, name, rows):
    """The largest (or smallest) entries, in one of their readings, against others."""
    rule, value = ENTRIES[end], "points"
    if name in ("layer", "rows"):
        rule += ", per layer" if name == "layer" else ", rows"
        return points(rows, rule) - points(rows, "random")
    if name.startswith("length-"):
        name, value = name.removeprefix("length-"), "points, length"
    return points(rows, rule, value) - points(rows, ENTRIES[name], value)


def points(rows, rule, value="points"):
    found = [row for share in SHARES for row in of(rows, rule=rule, share=share)]
    assert len(found) == len(SHARES)
    return mean(row[value] for row in found)


def chosen(rows):
    """The row that is best on the validation rows; of equal ones, that of the least loss."""
    several = [row for row in rows if row["rule"] in CHOICES]
    assert len(several) == len(CHOICES)
    return min(several, key=lambda row: (-row["validated"], row["validation loss"]))


def rank_correlation(rows, order):
    """Pearson's, of ranks; 0 if nothing differs."""
    x, y = ([row[key] for row in rows] for key in ("trace / k", f"points {order}"))
    if len(set(y)) == 1:
        return 0.0
    return float(stats.pearsonr(stats.rankdata(x), stats.rankdata(y)).statistic)


def mean(values):
    values = list(values)
    return sum(values) / len(values)
