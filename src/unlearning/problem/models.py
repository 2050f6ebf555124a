"""The papers' networks, and a smooth one on which a linear-response method can be validated.

Each builder takes the data (for input shape, classes, dtype and device) and a seed. The weights are
PyTorch's default initialisation right after ``torch.manual_seed(seed)``, drawn without touching the
global generator.
"""

import contextlib
from collections.abc import Callable, Iterator

import torch
from torch import nn

from unlearning.base import checks
from unlearning.problem.samples import Data


def logistic(data: Data, *, seed: int = 0) -> nn.Module:
    """Multinomial logistic regression with bias: d = (inputs + 1) * classes."""
    with _seeded(seed):
        return _assembled(data, nn.Flatten(), nn.Linear(_features(data), data.n_classes))


def mlp(data: Data, *, seed: int = 0, hidden: int = 64, activation: str = "relu") -> nn.Module:
    """One hidden layer; the papers use 64 ReLU units, ``softplus`` makes it smooth."""
    hidden = checks.integer("hidden", hidden, least=1)
    act = _ACTIVATIONS[checks.choice("activation", activation, _ACTIVATIONS)]
    with _seeded(seed):
        first, last = nn.Linear(_features(data), hidden), nn.Linear(hidden, data.n_classes)
    return _assembled(data, nn.Flatten(), first, act(), last)


def cnn(data: Data, *, seed: int = 0) -> nn.Module:
    """The papers' CNN: two 5x5 convolutions (10, 20) with max pooling, 50 ReLU units.

    On 28 x 28 grey images d = 21,840. Its dropout layers are left out: the released code never
    activates them.

    Raises:
        ValueError: if the inputs are not images of at least 16 x 16 pixels.
    """
    return _convolutional(data, seed, (10, 20), 5, 0, 50, nn.ReLU, nn.MaxPool2d)


def smooth_cnn(
    data: Data,
    *,
    seed: int = 0,
    channels: tuple[int, int] = (10, 20),
    kernel: int | None = None,
    padding: int = 0,
    hidden: int = 50,
) -> nn.Module:
    """The same network with softplus and average pooling: twice differentiable everywhere.

    Without a ``kernel`` it is the papers' 5 x 5 unpadded, or 3 x 3 padded by 1 where the images
    are smaller than 16 x 16 (``digits``).

    Raises:
        ValueError: if the images are too small for two convolutions and two poolings.
    """
    if kernel is None:
        small = min(data.train.inputs.shape[-2:]) < 16
        kernel, padding = (3, 1) if small else (5, padding)
    return _convolutional(data, seed, channels, kernel, padding, hidden, nn.Softplus, nn.AvgPool2d)


def build(name: str, data: Data, *, seed: int = 0) -> nn.Module:
    """Build one of the models by name, with its default sizes.

    Raises:
        ValueError: for an unknown name; the message lists the known ones.
    """
    return MODELS[checks.choice("name", name, MODELS)](data, seed=seed)


MODELS: dict[str, Callable[..., nn.Module]] = {
    "logistic": logistic,
    "mlp": mlp,
    "cnn": cnn,
    "smooth_cnn": smooth_cnn,
}
_ACTIVATIONS = {"relu": nn.ReLU, "softplus": nn.Softplus, "tanh": nn.Tanh}


def _features(data: Data) -> int:
    return data.train.inputs[0].numel()


@contextlib.contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Draw weights as after ``torch.manual_seed(seed)``, and leave the global generator alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(checks.integer("seed", seed, least=0))
        yield


def _assembled(data: Data, *layers: nn.Module) -> nn.Module:
    inputs = data.train.inputs
    return nn.Sequential(*layers).to(dtype=inputs.dtype, device=inputs.device).eval()


def _convolutional(data, seed, channels, kernel, padding, hidden, activation, pool) -> nn.Module:
    shape = tuple(data.train.inputs.shape[1:])
    if len(shape) != 3:
        checks.fail("data", "images [n, channels, height, width]", f"inputs of shape {shape}")
    size = [_after(_after(side, kernel, padding), kernel, padding) for side in shape[1:]]
    if min(size) < 1:
        fits = f"images large enough for two {kernel} x {kernel} convolutions and two poolings"
        checks.fail("data", fits, f"{shape[1]} x {shape[2]} pixels")
    with _seeded(seed):
        first = nn.Conv2d(shape[0], channels[0], kernel, padding=padding)
        second = nn.Conv2d(channels[0], channels[1], kernel, padding=padding)
        third = nn.Linear(channels[1] * size[0] * size[1], hidden)
        last = nn.Linear(hidden, data.n_classes)
    stages = [layer for conv in (first, second) for layer in (conv, pool(2), activation())]
    return _assembled(data, *stages, nn.Flatten(), third, activation(), last)


def _after(side: int, kernel: int, padding: int) -> int:
    """Side length after one convolution and one halving pool."""
    return (side + 2 * padding - kernel + 1) // 2
