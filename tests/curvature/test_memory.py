"""What a kernel says it needs, against what PyTorch's allocator was asked for."""

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

import unlearning as ul
from unlearning.curvature import products

CASES = [
    ("logistic", "softmax"), ("logistic", "generic"), ("mlp", "layers"), ("mlp", "generic"),
    ("cnn", "layers"), ("cnn", "generic"), ("smooth_cnn", "layers"), ("smooth_cnn", "generic"),
]  # fmt: skip


def point(model, n=16):
    inputs = torch.rand(n, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    labels = torch.arange(n) % 10
    data = ul.Data("random", ul.Samples(inputs, labels), ul.Samples(inputs, labels))
    objective = ul.Objective(ul.models.build(model, data))
    return objective, objective.initial_weights, inputs, labels


def peak(work):
    """Most bytes that were allocated at once during ``work``, its result included."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        kept = work()
    events = [e for e in profiled.profiler.kineto_results.events() if e.name() == "[memory]"]
    now = most = 0
    for event in sorted(events, key=lambda e: e.start_ns()):
        now += event.nbytes()
        most = max(most, now)
    del kept
    return most


@pytest.mark.parametrize(("model", "kernel"), CASES, ids=lambda value: value)
def test_stated_memory_is_a_bound_that_is_not_far_off(model, kernel):
    at = point(model)
    making = peak(lambda: products.at(*at, kernel=kernel))
    prepared = products.at(*at, kernel=kernel)
    vectors = torch.randn(8, at[0].dimension)
    prepared.multiply(vectors[:1])  # what is only made once
    few, many = (
        peak(lambda: prepared.multiply(vectors[:4])),
        peak(lambda: prepared.multiply(vectors)),
    )
    each = (many - few) / 4
    assert each <= prepared.bytes_per_vector <= 3 * each
    assert making <= prepared.fixed_bytes
    assert many <= prepared.fixed_bytes + 8 * prepared.bytes_per_vector


@pytest.mark.parametrize(("model", "kernel"), CASES, ids=lambda value: value)
def test_default_chunk_belongs_to_model_and_batch_alone(model, kernel):
    chunks = set()
    for seed in range(2):
        objective, w, inputs, labels = point(model, 4)
        moved = w + torch.randn(len(w), generator=torch.Generator().manual_seed(seed))
        chunks.add(products.at(objective, moved, inputs, labels, kernel=kernel).default_chunk)
    assert len(chunks) == 1
    assert chunks.pop() >= 1
