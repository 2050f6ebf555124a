"""Products that are counted, against what was asked for."""

import pytest
import torch

import unlearning as ul
from unlearning.baselines.prepared import Prepared
from unlearning.curvature import products
from unlearning.curvature.counted import counted_products


@pytest.fixture(scope="module")
def run():
    data = ul.load("digits", seed=0, n_train=40)
    objective = ul.Objective(ul.models.logistic(data, seed=0), l2=0.5)
    return ul.train(objective, data.train, ul.Schedule(0.05, 1.0, batch_size=16, epochs=2))


def test_a_recollection_takes_n_products_a_step(run):
    with counted_products() as tally:
        vectors = ul.recollect(run, kernel="layers", chunk=7).vectors
    n, uses = len(run.samples), sum(map(len, run.batches))
    assert tally.products == n * len(run) == 240
    assert tally.samples == n * uses == 40 * 80
    torch.testing.assert_close(vectors, ul.recollect(run).vectors, rtol=1e-4, atol=1e-6)


def test_sets_take_one_product_each(run):
    with counted_products() as tally:
        ul.recollect(run, sets=[[1, 2, 3], [5]], kernel="layers")
    assert tally.products == 2 * len(run)


def test_conjugate_gradients_take_what_they_report(run):
    with counted_products() as tally:
        found = ul.newton_step(run, [3], solver="cg", rtol=1e-6)
    assert tally.products == found.products > found.iterations > 0
    assert tally.samples == found.products * 39


def test_a_dense_matrix_takes_one_product_for_each_weight(run):
    with counted_products() as tally:
        Prepared(run)
    assert tally.products == run.objective.dimension
    assert tally.samples == run.objective.dimension * 40


def test_a_request_takes_none(run):
    vectors = ul.recollect(run)
    with counted_products() as tally:
        ul.forget(run, vectors, [3, 4])
    assert (tally.products, tally.points) == (0, 0)


def fail_while_counting():
    with counted_products() as tally:
        ul.recollect(None)
    return tally


def test_the_count_ends_with_an_error_too(run):
    before = products.at
    with pytest.raises(ValueError, match="run"):
        fail_while_counting()
    assert products.at is before
    with counted_products() as tally:
        pass
    ul.recollect(run, sets=[[1]])
    assert tally.points == 0
