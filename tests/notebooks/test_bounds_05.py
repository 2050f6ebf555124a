"""What chapter 05 says in prose about its recorded bounds, held against the record."""

import pandas as pd
import pytest

from unlearning.companion import record

KEPT = record.load("how-far-off-bounds")


def rows(column):
    """The rows of one of the record's studies, known by a column that only it has."""
    return pd.DataFrame(row for row in KEPT["values"] if column in row)


def ranges(quotient):
    """Smallest and largest over the seeds, by number of deletions."""
    by_size = quotient.groupby(rows("bound, public")["m"])
    return by_size.min(), by_size.max()


def test_the_record_has_the_published_seeds_and_a_clean_commit():
    assert KEPT["parameters"]["seeds"] == [42, 930, 124, 114514, 3407, 5, 1]
    assert "+" not in KEPT["commit"], "recorded with uncommitted changes"


def test_no_error_reaches_a_fiftieth_of_the_promise_for_any_set():
    sizes = rows("bound, public")
    worst = sizes[["error", "error, classes"]].max(axis=1)
    assert 0.018 < (worst / sizes["bound, any set"]).max() < 0.02


def test_what_the_promise_for_any_set_is_worth():
    sizes = rows("bound, public")
    low, high = ranges(sizes["bound, any set"] / sizes["do nothing"])
    assert low[100] > 7.5
    assert high[100] < 10
    assert low[500] > 90
    assert (low[3000] + high[3000]) / 2 == pytest.approx(1100, abs=50)


def test_the_bound_for_one_random_set():
    sizes = rows("bound, public")
    low, high = ranges(sizes["bound, one set"] / sizes["do nothing"])
    assert (low[100], high[100]) == pytest.approx((0.15, 0.21), abs=0.005)
    assert high[500] < 1 < low[1000]
    assert high[3000] == pytest.approx(5, abs=0.5)


def test_what_is_left_of_doing_nothing():
    sizes = rows("bound, public")
    left = (sizes["error"] / sizes["do nothing"]).groupby(sizes["m"]).mean()
    assert left[[100, 500, 3000]].tolist() == pytest.approx([0.01, 0.06, 0.46], abs=0.005)


def test_every_step_has_the_norm_of_the_penalty_alone():
    norms = rows("steps that stretch")
    assert norms[["first", "largest"]].to_numpy() == pytest.approx(0.9, abs=1e-6)
    assert (norms["steps that stretch"] == 0).all()
