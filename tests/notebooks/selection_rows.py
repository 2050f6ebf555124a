"""What the claims of chapter 17 are judged by, made again from recorded rows by other code."""

CLAIMS = {f"saps-sentence-{name}" for name in ("subset", "largest", "smallest", "sharpness")}
SHARE = 0.1
ORDERS = {"first": 1, "second": 2}
ENTRIES = {"largest": "largest_diagonal", "smallest": "smallest_diagonal", "random": "random"}
MEASURES = {"mean": "mean rise", "worst": "worst"}


def selection_finding(f, values):
    """The quantity of a criterion, for each seed."""
    words = f["criterion"].split("-")[:-1]  # without the network
    if f["claim"] == "saps-sentence-sharpness":
        value = MEASURES[words[0]]
        return {
            seed: row[value] / rows["random"][value]
            for seed, rows in by_seed(values, "sharp").items()
            for row in [rows["largest_diagonal"]]
        }
    at = by_seed(of(values, ORDERS[words[-1]]), "rule")
    if f["claim"] == "saps-sentence-subset":
        return {seed: best(rows) - 0.9 * rows["all"]["restored"] for seed, rows in at.items()}
    value = "restored, length" if words[0] == "length" else "restored"
    mine, other = ENTRIES[f["claim"].rpartition("-")[2]], ENTRIES[words[-2]]
    return {seed: rows[mine][value] - rows[other][value] for seed, rows in at.items()}


def of(values, order):
    """The rows of one order at the judged share, and that of all weights; no dead ones."""
    rows = [row for row in values if row.get("order") == order and not row["with dead"]]
    return [row for row in rows if row["share"] == SHARE or row["rule"] == "all"]


def by_seed(values, key):
    found = {}
    for row in values:
        if key in row:
            mine = found.setdefault(row["seed"], {})
            assert row[key] not in mine
            mine[row[key]] = row
    return found


def best(rows):
    """What the rule with the most validated restores, of those that choose by share."""
    chosen = [row for row in rows.values() if row["share"] == SHARE]
    return max(chosen, key=lambda row: row["validated"])["restored"]
