"""What the claim of chapter 13 is judged by, made again from recorded rows by other code."""


def repair_finding(f, values):
    """The quantity of a criterion, for each seed; None if it is of another chapter."""
    make = QUANTITIES.get(f["criterion"])
    return make and make([row for row in values if row.get("convention") == "R2"])


def column(rows, value, **where):
    """A column by seed, of the rows in which the other columns are as given."""
    mine = [row for row in rows if all(row.get(key) == wanted for key, wanted in where.items())]
    assert len({row["seed"] for row in mine}) == len(mine) > 0
    return {row["seed"]: row[value] for row in mine}


def ratio(above, below):
    return {seed: value / below[seed] for seed, value in above.items()}


def accuracy(rows):
    where = {"m": 300, "method": "HF-OCU"}
    before, after = (column(rows, "accuracy", epochs=k, **where) for k in (0, 5))
    return {seed: value - before[seed] for seed, value in after.items()}


def later(rows):
    where = {"m": 300, "epochs": 5}
    carried, nothing = (
        column(rows, "target", vector=name, **where) for name in ("carried", "do nothing")
    )
    return ratio(carried, nothing)


def nearer(rows):
    where = {"m": 600, "method": "HF-OCU"}
    return ratio(*(column(rows, "target", epochs=k, **where) for k in (5, 0)))


def head_start(rows):
    where = {"m": 600, "epochs": 5}
    names = ("HF-OCU", "do nothing")
    return ratio(*(column(rows, "target", method=name, **where) for name in names))


def fresh(rows):
    where = {"m": 600, "epochs": 5}
    names = ("carried", "stale")
    return ratio(*(column(rows, "change", vector=name, **where) for name in names))


QUANTITIES = {
    "repair-accuracy": accuracy,
    "later-share": later,
    "repair-share": nearer,
    "repair-head-start": head_start,
    "carried-stale": fresh,
}
