"""The whole way on a GPU gives what it gives on the CPU."""

import pytest
import torch

import unlearning as ul


def unlearned_and_retrained(device):
    data = ul.load("digits", n_train=100, dtype=torch.float64, device=device)
    objective = ul.Objective(ul.models.mlp(data, activation="softplus"), l2=0.01)
    run = ul.train(objective, data.train, ul.Schedule(0.1, batch_size=32, epochs=2, clip=1.0))
    unlearned = ul.forget(run, ul.recollect(run), [3, 14])
    return unlearned.cpu(), ul.retrain(run, [3, 14]).cpu()


@pytest.mark.gpu
def test_a_gpu_and_the_cpu_agree():
    on_gpu, on_cpu = unlearned_and_retrained("cuda"), unlearned_and_retrained("cpu")
    for a, b in zip(on_gpu, on_cpu, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=1e-9)
