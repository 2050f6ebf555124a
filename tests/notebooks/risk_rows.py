"""What the claims of chapter 6 are judged by, made again from recorded rows by other code."""

CLAIMS = ("hfocu-theorem-6", "hfocu-sentence-generalisation-guarantee")


def risk_finding(f, values):
    """The quantity of a criterion, for each seed: the largest over its cases."""
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
