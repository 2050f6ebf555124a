"""What chapter 12 says of the released script's seeds, held against both records."""

import pytest

from tests.notebooks.membership_kept import SEEDS
from tests.notebooks.membership_rows import rank
from unlearning.companion import record

SCRIPT = [42, 124, 3407, 114514, 5, 1]
MODELS = ["logistic", "cnn"]


def kept(model, which=""):
    return record.load(f"membership-inference-membership-{which}{model}")


def outcomes(found):
    return {(f["claim"], f["criterion"]): f["outcome"] for f in found["findings"]}


def rows(found, seed):
    return [row for row in found["values"] if row["seed"] == seed]


@pytest.mark.parametrize("model", MODELS)
def test_five_seeds_are_the_same(model):
    decides, script = kept(model), kept(model, "script-")
    assert script["parameters"]["seeds"] == SCRIPT
    assert "+" not in script["commit"]
    assert set(SCRIPT) - set(SEEDS) == {1}
    assert set(SEEDS) - set(SCRIPT) == {930}
    for seed in set(SEEDS) & set(SCRIPT):
        assert rows(decides, seed) == rows(script, seed)
    other = {name: value for name, value in script["parameters"].items() if name != "seeds"}
    assert other == {n: v for n, v in decides["parameters"].items() if n != "seeds"}


@pytest.mark.parametrize(
    ("model", "apart"),
    [("logistic", {("hfocu-figure-2-trade-off", "accuracy-logistic")}), ("cnn", set())],
)
def test_one_outcome_differs(model, apart):
    mine, others = outcomes(kept(model)), outcomes(kept(model, "script-"))
    assert {place for place in mine if mine[place] != others[place]} == apart


@pytest.mark.parametrize("which", ["", "script-"])
def test_noise_costs_accuracy_in_each_seed(which):
    found = kept("logistic", which)
    ranks = [rank(rows(found, seed), 2) for seed in found["parameters"]["seeds"]]
    assert max(ranks) < -0.975
    assert sum(x < -0.999 for x in ranks) == (1 if which else 2)
    (f,) = (f for f in found["findings"] if f["criterion"] == "accuracy-logistic")
    assert f["high"] == pytest.approx(0.40 if which else -0.12, abs=0.006)
