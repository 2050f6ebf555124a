"""What the claims of chapter 18 are judged by, made again from recorded rows by other code."""

CLAIMS = ("saps-sentence-progress", "saps-sentence-efficacy")
BENCHES = {"labels": "labels", "features": "pixels", "patch": "patch"}
FEW, LARGE = ("largest", "few"), ("tenth", "share")
EQUAL = {"last-layer": ("last layer", ""), "random": ("random", "few")}
EQUAL |= {"gradient": ("gradient", "few"), "smallest": ("smallest", "few")}
LARGER = {"all": ("all", ""), "last-layer": ("last layer", ""), "exact": ("largest", "share")}
CHARGED = {"time": "retrain", "time-second": "all, 2nd"}
FIRST = {"first": "tenth, 1st", "first-exact": "largest, 1st"}


def efficacy_finding(f, values):
    """The quantity of a criterion, for each seed."""
    seeds = sorted({row["seed"] for row in values})
    return {s: quantity(f, [row for row in values if row["seed"] == s]) for s in seeds}


def quantity(f, rows):
    """Of one seed."""
    if f["claim"] == "saps-sentence-progress":
        bench, rival = f["criterion"].split("-", 1)
        return gap(rows, BENCHES[bench], FEW, EQUAL[rival])
    what = f["criterion"].split("-", 1)[1]
    if what in CHARGED:
        return sum(charged(rows, bench, CHARGED[what]) for bench in BENCHES.values()) / 3
    if what in FIRST:
        return milliseconds(rows, "labels", FIRST[what]) / milliseconds(rows, "labels", "all, 1st")
    bench, rival = what.split("-", 1)
    return gap(rows, BENCHES[bench], LARGE, LARGER[rival])


def gap(rows, bench, mine, other):
    return chosen(rows, bench, *other)["q"] - chosen(rows, bench, *mine)["q"]


def chosen(rows, bench, method, size):
    """The order that the validation rows choose; of equal ones the lesser loss, then the first."""
    mine = [
        row
        for row in rows
        if (row.get("bench"), row.get("method"), row.get("size")) == (bench, method, size)
        and "validated" in row
    ]
    assert sorted(row["order"] for row in mine) == [1, 2]
    return min(mine, key=lambda row: (-row["validated"], row["validation loss"], row["order"]))


def charged(rows, bench, other):
    way = {1: "tenth, 1st", 2: "tenth, 2nd"}[chosen(rows, bench, *LARGE)["order"]]
    return milliseconds(rows, bench, way) / milliseconds(rows, bench, other)


def milliseconds(rows, bench, way):
    (ms,) = (row["ms"] for row in rows if (row.get("bench"), row.get("timed")) == (bench, way))
    return ms
