"""What chapter 04 says in prose about its record, held against the record itself."""

import pandas as pd
import pytest

from unlearning.companion import record

PAPER = record.load("additivity-sums")
SIZES = pd.DataFrame(row for row in PAPER["values"] if "HF-OCU" in row).set_index(["m", "seed"])
COST = (SIZES["sum of true changes"] / SIZES["HF-OCU"]).unstack("seed")


def test_it_is_the_papers_setting_over_all_seeds():
    assert PAPER["parameters"]["seeds"] == [42, 930, 124, 114514, 3407, 5, 1]
    assert (PAPER["parameters"]["n_train"], PAPER["parameters"]["dataset"]) == (1000, "mnist")


def test_few_deletions_are_decided_by_the_single_errors_and_many_by_adding_up():
    mean = COST.mean(axis=1)
    assert mean.is_monotonic_increasing
    assert mean[10] < 0.2
    assert mean[100] == pytest.approx(0.5, abs=0.02)
    assert bool((mean[[150, 200, 250, 300]] > 0.5).all())


def test_the_order_of_the_curves_is_that_of_the_small_example():
    medians = SIZES.groupby("m").median()
    assert bool((medians["sum of true changes"] < medians["HF-OCU"]).all())
    assert bool((medians["HF-OCU"] < medians["do nothing"]).all())


def test_large_inputs_are_not_the_hardest_here():
    singles = pd.DataFrame(row for row in PAPER["values"] if "sample" in row)
    rank = singles["error of HF-OCU"].corr(singles["norm of its input"], method="spearman")
    assert len(singles) == 7 * 300
    assert abs(rank) < 0.1
