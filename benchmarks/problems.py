"""Random data with the shape of MNIST: speed and memory do not depend on what the pixels show."""

import torch

import unlearning as ul


def images(n: int, side: int = 28, device: str = "cpu") -> ul.Data:
    """``n`` grey images of standard normal pixels, with labels of ten classes."""
    return _random((n, 1, side, side), device)


def features(n: int, count: int, device: str = "cpu") -> ul.Data:
    """``n`` rows of ``count`` standard normal features, with labels of ten classes."""
    return _random((n, count), device)


def _random(shape: tuple[int, ...], device: str) -> ul.Data:
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(shape, generator=generator)
    labels = torch.randint(10, shape[:1], generator=generator)
    labels[-1] = 9  # ten classes, however few samples
    samples = ul.Samples(inputs, labels).to(device=device)
    return ul.Data("random", samples, samples)


def logistic(data: ul.Data) -> ul.Objective:
    """Softmax regression with the penalty of the papers' runs on MNIST."""
    return ul.Objective(ul.models.logistic(data), l2=0.5)


def cnn(data: ul.Data) -> ul.Objective:
    """The papers' network of two convolutions; d = 21,840 on images of 28 x 28."""
    return ul.Objective(ul.models.cnn(data), l2=1e-6)


def schedule(batch: int, epochs: int) -> ul.Schedule:
    """Steps as in the papers' runs, without the clip (its factor would be 1 or change a step)."""
    return ul.Schedule(0.05, 0.995, batch, epochs)
