"""What chapters 6 and 7 are judged by, made again from recorded rows by other code."""

import math

from scipy import optimize, stats

CLAIMS = (
    "hfocu-theorem-6",
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


def noise_share(row):
    """The noise term from the noise itself: sigma^2 / 2 times a trace of 2 p l2 + 1/2."""
    sigma = SCALE * row["HF-OCU, E"]
    return (row["HF-OCU, noise"] - row["HF-OCU"]) / (sigma**2 / 2 * (2 * 8 * 0.2 + 0.5))


def beside(column):
    return (
        lambda row: softmax(row) and at_rates(row),
        lambda row: row["bound, noise"] / row[column],
    )


def missed_delta(sigma):
    """Balle and Wang's equation for epsilon = 1, delta = 1e-5 and a sensitivity of 1."""
    ends = stats.norm.cdf([0.5 / sigma - sigma, -0.5 / sigma - sigma])
    return ends[0] - math.e * ends[1] - 1e-5


SCALE = optimize.brentq(missed_delta, 1, 10, xtol=1e-13)
QUANTITIES = {  # which rows count, and what of each
    "excess-share": (lambda row: True, lambda row: row["HF-OCU"] / row["bound"]),
    "noise-share": (softmax, noise_share),
    "excess-zeros": (at_rates, lambda row: row["bound, noise"] / row["zeros"]),
    "bound-newton": beside("Newton step, bound"),
    "bound-stated": beside("Newton as stated, bound"),
    "bound-jackknife": beside("jackknife, bound"),
}


def kept(rows, column, size="m"):
    """The last size, of those in rows, up to which each keeps the limit."""
    last = 0
    for row in sorted(rows, key=lambda row: row[size]):
        if row[column] > LIMIT:
            break
        last = row[size]
    return last


def groups(values):
    """Rows of the measured capacities, by seed and setting."""
    found = {}
    for row in (row for row in values if "loss" in row):
        key = tuple(row[name] for name in ("seed", "loss", "n", "p", "epsilon", "delta"))
        found.setdefault(key, []).append(row)
    return found


def least(pairs):
    found = {}
    for seed, value in pairs:
        found[seed] = min(value, found.get(seed, value))
    return found


def tosses(values, quantity):
    rows = [row for row in values if "heads" in row]
    return {seed: quantity([r for r in rows if r["seed"] == seed]) for seed in seeds(rows)}


def seeds(rows):
    return dict.fromkeys(row["seed"] for row in rows)


def ceiling_share(values):
    methods = ("exact retrain", "HF-OCU", "Newton step")
    return tosses(
        values,
        lambda rows: max(kept(rows, f"coin, {m}", "heads") for m in methods) / rows[0]["ceiling"],
    )


def ceiling_excess(values):
    def at(rows):
        (row,) = [row for row in rows if row["heads"] == row["ceiling"]]
        return row["coin, exact retrain"]

    return tosses(values, at)


def guaranteed(values):
    base = (1000, 8, 1.0, 1e-5)
    return least(
        (key[0], rows[0]["HF-OCU, guaranteed"])
        for key, rows in groups(values).items()
        if key[2:] == base
    )


def margin(values):
    return least(
        (key[0], kept(rows, "HF-OCU, own bound") - rows[0]["HF-OCU, guaranteed"])
        for key, rows in groups(values).items()
    )


def ahead(of):
    def difference(values):
        return least(
            (key[0], (of(rows, "HF-OCU") - of(rows, "Newton step")) / key[2])
            for key, rows in groups(values).items()
            if key[1] == "cross_entropy"
        )

    return difference


CAPACITIES = {
    "ceiling-share": ceiling_share,
    "ceiling-excess": ceiling_excess,
    "guaranteed": guaranteed,
    "margin": margin,
    "ahead-measured": ahead(lambda rows, name: kept(rows, f"{name}, own bound")),
    "ahead-guaranteed": ahead(lambda rows, name: rows[0][f"{name}, guaranteed"]),
}
