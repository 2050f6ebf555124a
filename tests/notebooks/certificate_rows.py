"""What the claims of chapter 11 are judged by, made again from recorded rows by other code."""

CERTIFIED, ONLINE, INSTANTANEOUS, MILLISECONDS = (
    f"hfocu-sentence-{about}"
    for about in ("certified", "online", "near-instantaneous", "millisecond-level")
)
NOISE = "hfocu-algorithm-1-noise"
CLAIMS = {NOISE, CERTIFIED, ONLINE, INSTANTANEOUS, MILLISECONDS}


def certificate_finding(f, values):
    """The quantity of a criterion, for each seed."""
    make = QUANTITIES[f["claim"], f["criterion"]]
    by_seed = {}
    for row in values:
        by_seed.setdefault(row["seed"], []).append(row)
    return {seed: make(rows) for seed, rows in by_seed.items()}


def largest(column, over, rows):
    """The largest ratio among the numbers of deletions, of the largest entries of two columns."""
    mine = [row for row in rows if "rule" in row]
    ratios = []
    for m in {row["m"] for row in mine}:
        ends = [max(row[name] for row in mine if row["m"] == m) for name in (column, over)]
        ratios.append(ends[0] / ends[1])
    return max(ratios)


def above(rows):
    return largest("HF-OCU", "public", rows)


def useful(rows):
    return largest("public", "do nothing", rows)


def released(rows):
    return max(row["largest"] / row["released"] for row in rows if "released" in row)


def least_epsilon(*pairs):
    return lambda rows: max(row["epsilon at least"] for row in rows if row.get("pair") in pairs)


def accuracy(column, **where):
    def of(rows):
        (found,) = (row for row in rows if where.items() <= row.items() and column in row)
        return found[column]

    return of


SHOWN = {"n": 4000, "l2": 0.3, "m": 10}


def lost_to_noise(rows):
    return accuracy("without noise", **SHOWN)(rows) - accuracy("with noise", **SHOWN)(rows)


def lost_as_published(delta):
    def of(rows):
        (row,) = (row for row in rows if "released" in row and row["m"] == 10)
        return row["without noise"] - row[f"with noise, {delta}"]

    return of


def lost_in_all(rows):
    (row,) = (row for row in rows if "released" in row and row["m"] == 10)
    return row["without noise"] - accuracy("with noise", **SHOWN)(rows)


def timed(column, below=None):
    def of(rows):
        (row,) = (row for row in rows if "apart" in row)
        return row[column] / (row[below] if below else 1)

    return of


QUANTITIES = {
    (NOISE, "above"): above,
    (NOISE, "useful"): useful,
    (NOISE, "released"): released,
    (CERTIFIED, "epsilon"): least_epsilon("worst set found", "at the bound"),
    (CERTIFIED, "control"): least_epsilon("at the bound, sigma / 4"),
    (CERTIFIED, "noise"): lost_to_noise,
    (CERTIFIED, "published"): lost_as_published("delta"),
    (CERTIFIED, "loose"): lost_as_published("0.1"),
    (CERTIFIED, "price"): lost_in_all,
    (ONLINE, "bits"): timed("apart"),
    (ONLINE, "once"): timed("wrong"),
    (ONLINE, "growth"): timed("last quarter, flushes", "first quarter, flushes"),
    (INSTANTANEOUS, "retraining"): timed("over retraining"),
    (INSTANTANEOUS, "newton"): timed("over Newton by CG"),
    (MILLISECONDS, "ten"): timed("request, ms"),
    (MILLISECONDS, "hundred"): timed("request, ms"),
    (MILLISECONDS, "flushes"): timed("over flush"),
}
