"""What the claim of chapter 13 is judged by, made again from recorded rows by other code."""


def repair_finding(f, values):
    """The quantity of a criterion, for each seed; None if it is of another chapter."""
    make = QUANTITIES.get(f["criterion"])
    return make and make([row for row in values if row.get("convention") == f["convention"]])


def column(rows, value, **where):
    """A column by seed, of the rows in which the other columns are as given."""
    mine = [row for row in rows if all(row.get(key) == wanted for key, wanted in where.items())]
    assert len({row["seed"] for row in mine}) == len(mine) > 0
    return {row["seed"]: row[value] for row in mine}


def ratio(above, below):
    return {seed: value / below[seed] for seed, value in above.items()}


def difference(after, before):
    return {seed: value - before[seed] for seed, value in after.items()}


def gain(m, method="HF-OCU"):
    """Test accuracy after the judged repair minus that before."""

    def of(rows):
        where = {"m": m, "method": method}
        return difference(*(column(rows, "accuracy", epochs=k, **where) for k in (5, 0)))

    return of


def gain_beyond_fine_tuning(rows):
    return difference(*(gain(300, name)(rows) for name in ("HF-OCU", "fine-tune only")))


def repaired(key, value, m, names):
    """Of two methods or vectors, the first's share of the second after the judged repair."""

    def of(rows):
        return ratio(*(column(rows, value, m=m, epochs=5, **{key: name}) for name in names))

    return of


def nearer(rows):
    where = {"m": 600, "method": "HF-OCU"}
    return ratio(*(column(rows, "target", epochs=k, **where) for k in (5, 0)))


QUANTITIES = {
    "repair-accuracy": gain(300),
    "repair-accuracy-large": gain(600),
    "repair-accuracy-control": gain_beyond_fine_tuning,
    "repair-accuracy-r1": gain(600),
    "later-share": repaired("vector", "target", 300, ("carried", "do nothing")),
    "carried-stale": repaired("vector", "change", 300, ("carried", "stale")),
    "carried-stale-large": repaired("vector", "change", 600, ("carried", "stale")),
    "repair-share": nearer,
    "repair-head-start": repaired("method", "target", 600, ("HF-OCU", "fine-tune only")),
}
