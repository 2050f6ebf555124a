"""What the claims of chapter 12 are judged by, made again from recorded rows by other code."""

from scipy import stats

CLAIMS = {
    "hfocu-figure-2-mia-l",
    "hfocu-figure-2-mia-u",
    "hfocu-figure-2-trade-off",
    "hfocu-figure-5-logistic",
    "hfocu-figure-5-cnn",
}
RANKS = {f"{what}-{model}" for what in ("attack", "accuracy") for model in ("logistic", "cnn")}
#: erratum: part of the rows, its step, size of the forget sets (0: not noted)
DEPARTURES = {
    "hfocu-mial-question": ("released one", 1),
    "hfocu-mial-shadows": ("released one", 2),
    "hfocu-mial-overlap": ("released one", 3),
    "hfocu-mial-labels": ("released one", 4),
    "hfocu-miau-batch": ("released two", 1),
    "hfocu-miau-shadows": ("released two", 2),
    "hfocu-miau-in-sample": ("released two", 3),
    "hfocu-miau-negatives": ("released two", 4),
    "hfocu-miau-classes": ("released two", 5),
    "hfocu-miau-dropout": ("released two", 6),
}


def membership_finding(f, values):
    """The quantity of a criterion, for each seed."""
    seeds = {row["seed"]: [] for row in values}
    for row in values:
        seeds[row["seed"]].append(row)
    name = f["criterion"].removesuffix("-logistic").removesuffix("-cnn")
    if f["claim"].startswith("hfocu-figure-5") and name == "seen":
        return {seed: change(rows, extremes(rows)[0]) for seed, rows in seeds.items()}
    return {seed: QUANTITIES[name](rows) for seed, rows in seeds.items()}


def picked(rows, column, **wanted):
    """The one value of the rows with these entries."""
    (found,) = (r[column] for r in rows if all(r.get(k) == v for k, v in wanted.items()))
    return found


def of_lira(rows, way, question="forgotten"):
    m = max(r["m"] for r in rows if r["part"] == "one")
    wanted = {"part": "one", "m": m, "attack": "online", "question": question}
    return picked(rows, "auc", way=way, **wanted)


def above_retraining(rows, way, question="forgotten"):
    return of_lira(rows, way, question) - of_lira(rows, "retrain", question)


def change(rows, m, classifier="forest"):
    wanted = {"part": "two", "way": "HF-OCU", "kind": "direct_diff", "classifier": classifier}
    return picked(rows, "auc", m=m, **wanted)


def extremes(rows):
    """The sizes of 1% and 30%."""
    sizes = {r["m"] for r in rows if r["part"] == "two"}
    return min(sizes - {1}), max(sizes)


def levels(rows):
    """Noise on HF-OCU: its level, AUC of the attack on both models, accuracy."""
    given = [r for r in rows if r["part"] == "noise" and r["level"] != "calibrated"]
    return sorted((r["sigma"], r["two"], r["accuracy"]) for r in given if r["way"] == "HF-OCU")


def price(rows, limit=None):
    """Walk from the most noise to the least, as long as the attack is down."""
    found = levels(rows)
    _, start, clean = found[0]
    lost = 1.0
    for _, area, accuracy in reversed(found):
        if area > (limit or 0.5 + (start - 0.5) / 2):
            break
        lost = clean - accuracy
    return lost


def rank(rows, column):
    found = levels(rows)
    ranks = stats.spearmanr([x[0] for x in found], [x[column] for x in found]).statistic
    return max(ranks, -1 + 1e-12)  # where Fisher's transformation ends


def falls(rows, classifier="forest"):
    least, most = extremes(rows)
    return change(rows, least, classifier) - change(rows, most, classifier)


def guessing(rows, classifier="forest"):
    return abs(change(rows, extremes(rows)[1], classifier) - 0.5)


QUANTITIES = {
    "near": lambda rows: above_retraining(rows, "HF-OCU"),
    "caught": lambda rows: of_lira(rows, "do nothing"),
    "intact": lambda rows: abs(above_retraining(rows, "HF-OCU", "retained")),
    "left": lambda rows: above_retraining(rows, "HF-OCU") / above_retraining(rows, "do nothing"),
    "seen": lambda rows: change(rows, 50),
    "price": price,
    "price-low": lambda rows: price(rows, 0.55),
    "attack": lambda rows: rank(rows, 1),
    "accuracy": lambda rows: rank(rows, 2),
    "falls": falls,
    "guessing": guessing,
    "linear-falls": lambda rows: falls(rows, "linear"),
    "linear-guessing": lambda rows: guessing(rows, "linear"),
}


def sides_of(effect, values):
    """AUC of HF-OCU with a departure, and without it, for each seed."""
    part, step = DEPARTURES[effect["subject"]]
    return [at_step(values, part, number) for number in (step, step - 1)]


def at_step(values, part, step):
    if part == "released one" and not step:
        m = max(r["m"] for r in values if r["part"] == "one")
        wanted = {"part": "one", "m": m, "attack": "online", "question": "forgotten"}
    else:
        wanted = {"part": part, "step": step} | ({"m": 50} if part == "released two" else {})
    return {
        r["seed"]: r["auc"]
        for r in values
        if all(r.get(k) == v for k, v in ({"way": "HF-OCU"} | wanted).items())
    }
