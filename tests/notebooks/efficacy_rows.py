"""What the claims of chapter 18 are judged by, made again from recorded rows by other code."""

CLAIMS = ("saps-sentence-progress", "saps-sentence-efficacy")
BENCHES = {"labels": "labels", "features": "pixels", "patch": "patch"}
EQUAL = {"last-layer": ("last layer", ""), "random": ("random", "few")}
EQUAL |= {"gradient": ("gradient", "few")}
LARGER = {"all": ("all", ""), "last-layer": ("last layer", "")}
TIMES = {
    "time": ("largest, 1st", "all, 1st"),
    "time-at-hand": ("largest, 1st, at hand", "all, 1st"),
    "time-second": ("largest, 1st", "all, 2nd"),
}


def efficacy_finding(f, values):
    """The quantity of a criterion, for each seed."""
    if f["claim"] == "saps-sentence-progress":
        short, rival = f["criterion"].split("-", 1)
        bench = BENCHES[short]
        mine = removed(values, bench, "largest", "few")
        return less(mine, removed(values, bench, *EQUAL[rival]))
    quantity = f["criterion"].split("-", 1)[1]
    if quantity in TIMES:
        mine, other = (multiples(values, name) for name in TIMES[quantity])
        return {seed: value / other[seed] for seed, value in mine.items()}
    gaps = [
        less(removed(values, bench, "largest", "share"), removed(values, bench, *LARGER[quantity]))
        for bench in BENCHES.values()
    ]
    return {seed: sum(gap[seed] for gap in gaps) / len(gaps) for seed in gaps[0]}


def less(mine, other):
    return {seed: value - other[seed] for seed, value in mine.items()}


def removed(values, bench, method, size):
    """By seed, what the order that the validation rows choose removes of the wrong answers."""
    rows = [row for row in values if row.get("bench") == bench]
    most = max(row["count"] for row in rows)  # of the labels, the budget that is judged
    rows = [row for row in rows if row["count"] == most]
    before = {row["seed"]: row["q"] for row in rows if row["method"] == "do nothing"}
    best = {}
    for row in rows:
        if (row["method"], row["size"]) != (method, size):
            continue
        rank = (row["validated"], -row["validated loss"], -row["order"])
        if row["seed"] not in best or rank > best[row["seed"]][0]:
            best[row["seed"]] = rank, row["q"]
    return {seed: before[seed] - q for seed, (_, q) in best.items()}


def multiples(values, way):
    return {row["seed"]: row["ratio"] for row in values if row.get("way timed") == way}
