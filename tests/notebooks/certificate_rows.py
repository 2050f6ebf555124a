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


def useful(rows, **where):
    """Certified sensitivity over the certified distance of doing nothing, at its largest."""
    wanted = {"n": 2000, "l2": 0.3} | where
    mine = [row for row in rows if "change" in row and wanted.items() <= row.items()]
    return max(row["sensitivity"] / row["change"] for row in mine)


def released(rows):
    return max(row["largest"] / row["released"] for row in rows if "released" in row)


def least(column, *pairs):
    return lambda rows: max(row[column] for row in rows if row.get("pair") in pairs)


def accuracy(column, **where):
    def of(rows):
        (found,) = (row for row in rows if where.items() <= row.items() and column in row)
        return found[column]

    return of


SHOWN = {"n": 2000, "l2": 0.3, "m": 5}


def lost_to_noise(rows, **where):
    at = SHOWN | where
    return accuracy("without noise", **at)(rows) - accuracy("with noise", **at)(rows)


def lost_as_published(column):
    def of(rows):
        (row,) = (row for row in rows if "released" in row and row["m"] == 10)
        return row["without noise"] - row[column]

    return of


def lost_in_all(rows):
    (row,) = (row for row in rows if "released" in row and row["m"] == 10)
    return row["without noise"] - accuracy("with noise", n=1000, l2=0.3, m=10)(rows)


def timed(column, below=None):
    def of(rows):
        (row,) = (row for row in rows if "apart" in row)
        return row[column] / (row[below] if below else 1)

    return of


KEPT = "worst set found", "at the bound"
QUANTITIES = {
    (NOISE, "above"): above,
    (NOISE, "useful"): lambda rows: useful(rows, m=5),
    (NOISE, "useful-share"): useful,
    (NOISE, "released"): released,
    (NOISE, "ruined"): lost_as_published("released, with noise"),
    (CERTIFIED, "epsilon"): least("epsilon at least", *KEPT),
    (CERTIFIED, "distance"): least("of the claim", *KEPT),
    (CERTIFIED, "control"): least("epsilon at least", "at the bound, σ / 4"),
    (CERTIFIED, "control-distance"): least("of the claim", "at the bound, σ / 2"),
    (CERTIFIED, "noise"): lost_to_noise,
    (CERTIFIED, "noise-share"): lambda rows: lost_to_noise(rows, m=20),
    (CERTIFIED, "published"): lost_as_published("with noise, delta"),
    (CERTIFIED, "loose"): lost_as_published("with noise, 0.1"),
    (CERTIFIED, "price"): lost_in_all,
    (ONLINE, "bits"): timed("apart"),
    (ONLINE, "once"): timed("wrong"),
    (ONLINE, "growth"): timed("last quarter, flushes", "first quarter, flushes"),
    (INSTANTANEOUS, "retraining"): timed("over retraining"),
    (INSTANTANEOUS, "newton"): timed("over Newton by CG"),
    (INSTANTANEOUS, "addition"): timed("addition over retraining"),
    (MILLISECONDS, "ten"): timed("request, ms"),
    (MILLISECONDS, "hundred"): timed("request, ms"),
    (MILLISECONDS, "flushes"): timed("over flush"),
    (MILLISECONDS, "flush"): timed("flush, ms"),
}
