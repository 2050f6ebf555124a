"""What chapters 6 and 7 are judged by, made again from recorded rows by other code."""

import math

from scipy import optimize, stats

CLAIMS = (
    "hfocu-theorem-6",
    "hfocu-sentence-unlearning-guarantee",
    "hfocu-sentence-generalisation-guarantee",
    "hfocu-theorem-7",
    "hfocu-theorem-8",
    "hfocu-sentence-deletion-capacity",
)
LIMIT = 0.01


def risk_finding(f, values):
    """The quantity of a criterion, for each seed."""
    if f["criterion"] in CAPACITIES:
        return CAPACITIES[f["criterion"]](values)
    counts, quantity = QUANTITIES[f["criterion"]]
    found = {}
    for row in filter(counts, values):
        found.setdefault(row["seed"], []).append(quantity(row))
    return {seed: max(values) for seed, values in found.items()}


def softmax(row):
    return row["loss"] == "cross_entropy"


def at_rates(row):
    return row["over"] == "m"


def felt(row):
    """Whether the noise adds more than 1%."""
    return row["HF-OCU, noise"] > 1.01 * row["HF-OCU"]


def noise_share(row):
    """The noise term from the noise itself: sigma^2 / 2 times a trace of 2 p l2 + 1/2."""
    sigma = SCALE * row["HF-OCU, E"]
    return (row["HF-OCU, noise"] - row["HF-OCU"]) / (sigma**2 / 2 * (2 * 8 * 0.2 + 0.5))


def beside(column, ours="bound, noise"):
    return (
        lambda row: softmax(row) and at_rates(row),
        lambda row: row[ours] / row[column],
    )


def missed_delta(sigma):
    """Balle and Wang's equation for epsilon = 1, delta = 1e-5 and a sensitivity of 1."""
    ends = stats.norm.cdf([0.5 / sigma - sigma, -0.5 / sigma - sigma])
    return ends[0] - math.e * ends[1] - 1e-5


SCALE = optimize.brentq(missed_delta, 1, 10, xtol=1e-13)
QUANTITIES = {  # which rows count, and what of each
    "excess-share": (lambda row: True, lambda row: row["HF-OCU"] / row["bound"]),
    "noise-share": (lambda row: softmax(row) and felt(row), noise_share),
    "excess-zeros": (at_rates, lambda row: row["bound, noise"] / row["zeros"]),
    "bound-newton": beside("Newton step, bound"),
    "bound-stated": beside("Newton as stated, bound"),
    "bound-jackknife": beside("jackknife, bound"),
    "distance-newton": beside("Newton step, E", "HF-OCU, E"),
    "distance-stated": beside("Newton as stated, E", "HF-OCU, E"),
    "distance-jackknife": beside("jackknife, E", "HF-OCU, E"),
}


def kept(rows, column):
    """The last size, of those in rows, up to which each keeps the limit."""
    last = 0
    for row in sorted(rows, key=lambda row: row["m"]):
        if row[column] > LIMIT:
            break
        last = row["m"]
    return last


def groups(values):
    """Rows of the measured capacities, by seed and setting."""
    found = {}
    for row in (row for row in values if "loss" in row):
        key = tuple(row[name] for name in ("seed", "loss", "n", "p", "l2", "epsilon", "delta"))
        found.setdefault(key, []).append(row)
    return found


def least(pairs):
    found = {}
    for seed, value in pairs:
        found[seed] = min(value, found.get(seed, value))
    return found


def of_coins(values, quantity):
    """For each seed a quantity of its tosses, those of each coin."""
    found = {}
    for row in (row for row in values if "coin" in row):
        found.setdefault(row["seed"], {}).setdefault(row["coin"], []).append(row)
    return {seed: quantity(list(coins.values())) for seed, coins in found.items()}


def most(rows, column):
    """The size before the first that breaks the limit."""
    return min(row["m"] for row in rows if row[column] > LIMIT) - 1


def ceiling_share(values):
    columns = ("exact retrain", "HF-OCU", "Newton step")
    return of_coins(
        values,
        lambda coins: (
            max(min(most(rows, column) for rows in coins) for column in columns)
            / coins[0][0]["ceiling"]
        ),
    )


def ceiling_control(values):
    return of_coins(
        values,
        lambda coins: min(kept(rows, "do nothing") for rows in coins) / coins[0][0]["ceiling"],
    )


def guaranteed(values):
    base = (1000, 8, 0.2, 1.0, 1e-5)
    return least(
        (key[0], rows[0]["HF-OCU, guaranteed"])
        for key, rows in groups(values).items()
        if key[2:] == base
    )


def margin(values):
    return least(
        (key[0], kept(rows, "HF-OCU") - rows[0]["HF-OCU, guaranteed"])
        for key, rows in groups(values).items()
    )


def ahead(other):
    def multiple(values):
        return least(
            (row["seed"], row["HF-OCU, at a million"] / row[f"{other}, at a million"])
            for row in values
            if row.get("loss") == "cross_entropy"
        )

    return multiple


CAPACITIES = {
    "ceiling-share": ceiling_share,
    "ceiling-control": ceiling_control,
    "guaranteed": guaranteed,
    "margin": margin,
    "ahead-of-published": ahead("Newton step, as published"),
    "ahead-guaranteed": ahead("Newton step"),
}
