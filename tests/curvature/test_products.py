"""Products against a dense autodiff Hessian and against curvlinops."""

import numpy as np
import pytest
import torch
from curvlinops import HessianLinearOperator
from hypothesis import given, settings
from hypothesis import strategies as st

import unlearning as ul
from tests.cases import cases
from unlearning.curvature import products

CASES = cases()


def point(case, seed=1):
    objective = ul.Objective(case.model, l2=0.7)  # the penalty must not leak into the products
    generator = torch.Generator().manual_seed(seed)
    w = torch.randn(objective.dimension, generator=generator, dtype=torch.float64)
    return objective, w, case.data.train.inputs, case.data.train.labels


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_dense_hessian_equals_autodiff(case):
    objective, w, inputs, labels = point(case)
    expected = torch.autograd.functional.hessian(
        lambda w: objective.mean_loss(w, inputs, labels), w
    )
    torch.testing.assert_close(
        ul.hessian(objective, w, inputs, labels), expected, rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("case", CASES, ids=lambda c: c.name)
def test_products_equal_curvlinops(case):
    objective, w, inputs, labels = point(case)
    module = objective.module(w).requires_grad_(True)
    operator = HessianLinearOperator(
        module, torch.nn.CrossEntropyLoss(), list(module.parameters()), [(inputs, labels)]
    )
    vectors = torch.randn(
        4, len(w), dtype=torch.float64, generator=torch.Generator().manual_seed(2)
    )
    result = ul.hessian_vector_products(objective, w, inputs, labels, vectors)
    np.testing.assert_allclose(result.numpy(), (operator @ vectors.T).T.numpy(), atol=1e-12)


@given(case=st.sampled_from(CASES), chunk=st.integers(1, 9), count=st.integers(1, 7))
@settings(max_examples=20, deadline=None)
def test_chunks_do_not_change_products(case, chunk, count):
    objective, w, inputs, labels = point(case)
    vectors = torch.randn(count, len(w), dtype=torch.float64)
    whole = ul.hessian_vector_products(objective, w, inputs, labels, vectors)
    parts = ul.hessian_vector_products(objective, w, inputs, labels, vectors, chunk=chunk)
    torch.testing.assert_close(parts, whole, rtol=0, atol=1e-13)


def test_chunk_is_checked():
    objective, w, inputs, labels = point(CASES[0])
    with pytest.raises(ValueError, match="chunk: expected an integer of at least 1, got 0"):
        ul.hessian_vector_products(objective, w, inputs, labels, w[None], chunk=0)


def test_no_vectors_have_no_products():
    for case in CASES:
        objective, w, inputs, labels = point(case)
        none = w.new_empty(0, len(w))
        assert ul.hessian_vector_products(objective, w, inputs, labels, none).shape == none.shape


def test_point_is_checked():
    objective, w, inputs, labels = point(CASES[0])
    with pytest.raises(ValueError, match=r"w: expected shape \[51\], got \[50\]"):
        products.at(objective, w[1:], inputs, labels)


def test_shape_is_checked():
    objective, w, inputs, labels = point(CASES[0])
    with pytest.raises(ValueError, match=r"vectors: expected shape \[K, 51\], got \[51\]"):
        ul.hessian_vector_products(objective, w, inputs, labels, w)
