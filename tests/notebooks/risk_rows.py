"""What chapters 6 and 7 are judged by, made again from recorded rows by other code."""

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
    found = {}
    for row in values:
        quantity = QUANTITIES[f["criterion"]](row)
        found.setdefault(row["seed"], []).append(quantity)
    return {seed: max(values) for seed, values in found.items()}


def share(row):
    return max(row["HF-OCU"] / row["bound"], row["HF-OCU, noise"] / row["bound, noise"])


def beside(method):
    def ratio(row):
        counts = row["loss"] == "cross_entropy" and row["over"] == "m"
        return row["bound, noise"] / row[f"{method}, bound"] if counts else 0.0

    return ratio


QUANTITIES = {
    "excess-share": share,
    "excess-multiple": lambda row: row["bound, noise"] / row["do nothing"],
    "excess-multiple-bare": lambda row: row["bound"] / row["do nothing"],
    "bound-newton": beside("Newton step"),
    "bound-jackknife": beside("jackknife"),
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
