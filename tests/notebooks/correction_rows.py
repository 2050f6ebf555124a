"""What chapter 15 is judged by, made again from recorded rows by other code."""

import math

CLAIMS = ("saps-sentence-second-order",)


def correction_finding(f, values):
    """The quantity of a criterion, for each seed."""
    numbers, pick = QUANTITIES[f["criterion"]]
    found = {}
    for seed, number in numbers(values):
        found.setdefault(seed, []).append(number)
    return {seed: pick(mine) for seed, mine in found.items()}


def column(name):
    return lambda values: [(row["seed"], row[name]) for row in values if name in row]


def gap(values):
    """The largest one decides, so its logarithm does, too."""
    shares = column("restricted gap")(values)
    return [(seed, math.log10(max(share, 1e-17))) for seed, share in shares]


def cut(values):
    tenth = (row for row in values if row.get("share") == 0.1)
    largest = (row for row in tenth if row["rule"] == "largest_diagonal")
    return [(row["seed"], row["cut gap"]) for row in largest]


def residual_shares(values):
    """Means over the requests of a seed and number of columns, second order over first."""
    sums = {}
    for row in (row for row in values if "residual" in row):
        place = row["seed"], row["k"], row["way"]
        sums[place] = sums.get(place, 0.0) + row["residual"]
    places = {place[:2] for place in sums}
    return [(p[0], sums[*p, "second order"] / sums[*p, "first order"]) for p in places]


QUANTITIES = {
    "restricted-gap": (gap, max),
    "cut-gap": (cut, min),
    "second-first-residual": (residual_shares, max),
}
