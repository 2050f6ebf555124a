"""What the builders of networks share: seeded weights, and the data's shape, dtype and device."""

import contextlib
from collections.abc import Iterator

import torch
from torch import nn

from unlearning.base import checks
from unlearning.problem.samples import Data


@contextlib.contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw weights as after ``torch.manual_seed(seed)``, and leave the global generator alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(checks.integer("seed", seed, least=0, most=2**64 - 1))
        yield


def like(data: Data, model: nn.Module) -> nn.Module:
    """The model in eval mode, in the dtype and on the device of the data."""
    inputs = data.train.inputs
    return model.to(dtype=inputs.dtype, device=inputs.device).eval()


def assembled(data: Data, *layers: nn.Module) -> nn.Module:
    """The layers one after the other, in eval mode, in the dtype and on the device of the data."""
    return like(data, nn.Sequential(*layers))


def image_shape(data: Data) -> tuple[int, ...]:
    """Channels, height and width of the data's images.

    Raises:
        ValueError: if the inputs are not images.
    """
    shape = tuple(data.train.inputs.shape[1:])
    if len(shape) != 3:
        checks.fail("data", "images [n, channels, height, width]", f"inputs of shape {shape}")
    return shape
