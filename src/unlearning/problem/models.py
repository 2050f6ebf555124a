"""The papers' networks, and a smooth one on which a linear-response method can be validated.

Each builder takes the data (for input shape, classes, dtype and device) and a seed. The weights are
PyTorch's default initialisation right after ``torch.manual_seed(seed)``, drawn without touching the
global generator.
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

from torch import nn

from unlearning.base import checks
from unlearning.problem.building import assembled, image_shape, seeded
from unlearning.problem.samples import Data


def logistic(data: Data, *, seed: int = 0) -> nn.Module:
    """Multinomial logistic regression with bias: d = (inputs + 1) * classes."""
    with seeded(seed):
        return assembled(data, nn.Flatten(), nn.Linear(_features(data), data.n_classes))


def mlp(
    data: Data,
    *,
    seed: int = 0,
    hidden: int = 64,
    activation: str = "relu",
    outputs: int | None = None,
) -> nn.Module:
    """One hidden layer; the papers use 64 ReLU units, ``softplus`` makes it smooth.

    ``outputs`` is the number of classes if None. The released code always builds 10
    (``mlp_released`` among ``MODELS``): d = 64 * features + 714. Its dropout is never active.
    """
    hidden = checks.integer("hidden", hidden, least=1)
    act = _ACTIVATIONS[checks.choice("activation", activation, _ACTIVATIONS)]
    classes = data.n_classes
    if outputs is not None:
        note = " (the classes of the data)"
        outputs = checks.integer("outputs", outputs, least=classes, note=note)
    with seeded(seed):
        first, last = nn.Linear(_features(data), hidden), nn.Linear(hidden, outputs or classes)
    return assembled(data, nn.Flatten(), first, act(), last)


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


def lenet(data: Data, *, seed: int = 0) -> nn.Module:
    """LeNet: two 5x5 convolutions (6 padded by 2, 16) with max pooling, then 120 and 84 ReLU units.

    On 28 x 28 grey images with 10 classes d = 61,706.

    Raises:
        ValueError: if the inputs are not images of at least 12 x 12 pixels.
    """
    shape = image_shape(data)
    size = [_after(_after(side, 5, 2), 5, 0) for side in shape[1:]]
    _check_size(shape, size, 5)
    with seeded(seed):
        convolutions = nn.Conv2d(shape[0], 6, 5, padding=2), nn.Conv2d(6, 16, 5)
        widths = [16 * size[0] * size[1], 120, 84]
        inner = [nn.Linear(*pair) for pair in pairwise(widths)]
        last = nn.Linear(84, data.n_classes)
    stages = [layer for conv in convolutions for layer in (conv, nn.MaxPool2d(2), nn.ReLU())]
    layers = [layer for linear in inner for layer in (linear, nn.ReLU())]
    return assembled(data, *stages, nn.Flatten(), *layers, last)


def resnet18(data: Data, **options) -> nn.Module:
    """ResNet-18 with a head for the data's classes; see ``resnet.resnet18`` for the options."""
    from unlearning.problem import resnet  # so that no other run depends on it

    return resnet.resnet18(data, **options)


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
    "lenet": lenet,
    "mlp_released": partial(mlp, outputs=10),
    "resnet18": resnet18,
}
_ACTIVATIONS = {"relu": nn.ReLU, "softplus": nn.Softplus, "tanh": nn.Tanh}


def _features(data: Data) -> int:
    return data.train.inputs[0].numel()


def _convolutional(data, seed, channels, kernel, padding, hidden, activation, pool) -> nn.Module:
    shape = image_shape(data)
    size = [_after(_after(side, kernel, padding), kernel, padding) for side in shape[1:]]
    _check_size(shape, size, kernel)
    with seeded(seed):
        first = nn.Conv2d(shape[0], channels[0], kernel, padding=padding)
        second = nn.Conv2d(channels[0], channels[1], kernel, padding=padding)
        third = nn.Linear(channels[1] * size[0] * size[1], hidden)
        last = nn.Linear(hidden, data.n_classes)
    stages = [layer for conv in (first, second) for layer in (conv, pool(2), activation())]
    return assembled(data, *stages, nn.Flatten(), third, activation(), last)


def _after(side: int, kernel: int, padding: int) -> int:
    """Side length after one convolution and one halving pool."""
    return (side + 2 * padding - kernel + 1) // 2


def _check_size(shape: tuple[int, ...], size: list[int], kernel: int) -> None:
    if min(size) < 1:
        fits = f"images large enough for two {kernel} x {kernel} convolutions and two poolings"
        checks.fail("data", fits, f"{shape[1]} x {shape[2]} pixels")
