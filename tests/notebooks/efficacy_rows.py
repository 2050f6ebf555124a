"""What the claims of chapter 18 are judged by, made again from recorded rows by other code."""

CLAIMS = ("saps-sentence-progress", "saps-sentence-efficacy", "saps-sentence-cost")
BENCHES = {"labels": "labels", "features": "pixels", "patch": "patch"}
FEW, LARGE = ("largest", "few"), ("tenth", "share")
EQUAL = {"last-layer": ("last layer", ""), "random": ("random", "few")}
EQUAL |= {"gradient": ("gradient", "few"), "smallest": ("smallest", "few")}
LARGER = {"all": ("all", ""), "last-layer": ("last layer", ""), "exact": ("largest", "share")}
TRAINED = {"fine-tune": "fine-tune 1", "validation-rows": "validation rows"}
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
    if f["claim"] == "saps-sentence-cost":
        return time_share(what, rows)
    bench, rival = what.split("-", 1)
    return gap(rows, BENCHES[bench], LARGE, LARGER.get(rival) or (TRAINED[rival], ""))


def time_share(what, rows):
    """A time as a share of another, over the benches or in one of them."""
    if what in FIRST:
        return milliseconds(rows, "labels", FIRST[what]) / milliseconds(rows, "labels", "all, 1st")
    if what == "time-second":
        return charged(rows, "labels") / second(rows, "labels", "all")
    mine = BENCHES.values() if what == "time" else [BENCHES[what.removesuffix("-time")]]
    parts = [charged(rows, b) / milliseconds(rows, b, "retrain") for b in mine]
    return sum(parts) / len(parts)


def gap(rows, bench, mine, other):
    return reached(rows, bench, *other)["q"] - reached(rows, bench, *mine)["q"]


def reached(rows, bench, method, size):
    """The row of a method: of a model that was trained, its only one."""
    if method not in TRAINED.values():
        return chosen(rows, bench, method, size)
    (row,) = (r for r in rows if (r.get("bench"), r.get("method")) == (bench, method))
    return row


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


def charged(rows, bench):
    if chosen(rows, bench, *LARGE)["order"] == 1:
        return milliseconds(rows, bench, "tenth, 1st with tau*")
    return second(rows, bench, "tenth")


def second(rows, bench, way):
    """By the faster solver, or the only one that has solved it."""
    both = [(bench, f"{way}, 2nd, {solver}") for solver in ("dense", "cg")]
    return min(row["ms"] for row in rows if (row.get("bench"), row.get("timed")) in both)


def milliseconds(rows, bench, way):
    (ms,) = (row["ms"] for row in rows if (row.get("bench"), row.get("timed")) == (bench, way))
    return ms
