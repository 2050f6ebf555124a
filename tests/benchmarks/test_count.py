"""Counted operations and bytes, against counts by hand and against PyTorch's own counter."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

import unlearning as ul
from benchmarks import count, problems


def test_multiplications_of_the_papers_network_by_hand():
    data = problems.images(3)
    conv1, conv2 = 24 * 24 * 10 * 25, 8 * 8 * 20 * 250
    expected = [3 * conv1, 3 * conv2, 3 * 320 * 50, 3 * 50 * 10]
    objective = problems.cnn(data)
    assert count.multiplications(objective, data.train.inputs) == expected
    assert objective.dimension == 21_840


def forward_flops(objective, inputs):
    """Of one forward pass, by PyTorch's counter; no tangents, so two operations a product."""
    with FlopCounterMode(display=False) as counter:
        objective.outputs(objective.initial_weights, inputs)
    return counter.get_total_flops()


@pytest.mark.parametrize("make", [problems.logistic, problems.cnn])
def test_multiplications_agree_with_torch(make):
    data = problems.images(5)
    objective = make(data)
    found = count.multiplications(objective, data.train.inputs)
    assert 2 * sum(found) == forward_flops(objective, data.train.inputs)


def double_backward_flops(objective, inputs, labels):
    """Of one product with the Hessian by double backward, the graph of the gradient left out."""
    w = objective.initial_weights.requires_grad_(True)
    loss = objective.mean_loss(w, inputs, labels)
    (gradient,) = torch.autograd.grad(loss, w, create_graph=True)
    with FlopCounterMode(display=False) as counter:
        torch.autograd.grad(gradient, w, torch.ones_like(w))
    return counter.get_total_flops()


def test_products_count_as_many_operations_as_a_double_backward():
    data = problems.images(4)
    batch = data.train.inputs, data.train.labels
    network = ul.Objective(ul.models.mlp(data))
    counted = count.hessian_products(network, batch[0], 1).flops
    assert double_backward_flops(network, *batch) == counted
    # PyTorch's convolutions cannot leave out one product of the first layer.
    network = problems.cnn(data)
    first = 2 * count.multiplications(network, batch[0])[0]
    counted = count.hessian_products(network, batch[0], 1).flops
    assert double_backward_flops(network, *batch) == counted + first


def test_softmax_step_is_the_general_count_but_for_the_bias():
    data = problems.images(32)
    objective = problems.logistic(data)
    general = count.hessian_products(objective, data.train.inputs, 7).flops
    closed = count.softmax_step(7, objective.dimension, 32).flops
    assert closed == general + 4 * 7 * 10 * 32


def test_bytes_of_a_step_are_shared_by_those_that_are_fused():
    alone, together = (count.softmax_step(100, 50, 8, together=g).bytes for g in (1, 8))
    assert alone == 3 * 100 * 50 * 4 == 8 * together


def test_limit_is_the_longer_of_both():
    ceilings = {"gflops": 2.0, "copy_gbs": 10.0}
    assert count.Work(4_000_000, 10).limit_ms(ceilings) == pytest.approx(2.0)
    assert count.Work(10, 30_000_000).limit_ms(ceilings) == pytest.approx(3.0)
    assert (count.Work(2, 3) * 5) == count.Work(10, 15)


def test_kept_bytes_by_hand():
    assert count.kept(100, 20, 7) == {
        "approximators": 8_000,
        "approximators, bfloat16": 4_000,
        "Hessian": 1_600,
        "Hessian, factor": 840,
        "weights of every step": 640,
    }


@pytest.mark.parametrize(("d", "steps"), [(11, 4), (20, 7), (500, 480)])
def test_rows_that_match_are_where_the_bytes_are_equal(d, steps):
    for name, n in count.rows_that_match(d, steps).items():
        below, above = (count.kept(m, d, steps) for m in (int(n - 0.5), int(n + 1)))
        assert below["approximators"] < below[name] < above["approximators"]
