"""The sizes of the published settings, without their data: they decide storage and additions."""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch

from unlearning.problem import models
from unlearning.problem.objective import Objective
from unlearning.problem.samples import Data, Samples


@dataclass(frozen=True)
class Setting:
    """A network and a schedule of the released scripts.

    Attributes:
        model: name of a model, or a function that builds it for data.
        shape: of one input.
        classes: of the data.
        n: training samples.
        batch: samples of a batch.
        epochs: passes of the run.
        baselines: whether the scripts run the Newton step and the infinitesimal jackknife.
    """

    model: str | Callable
    shape: tuple[int, ...]
    classes: int
    n: int
    batch: int
    epochs: int
    baselines: bool = True

    @property
    def T(self) -> int:
        """Steps of the run."""
        return self.epochs * math.ceil(self.n / self.batch)

    @functools.cached_property
    def d(self) -> int:
        """Number of weights, counted from the network."""
        rows = Samples(torch.zeros(2, *self.shape), torch.tensor([0, self.classes - 1]))
        data = Data("shape", rows, rows)
        build = self.model if callable(self.model) else partial(models.build, self.model)
        return Objective(build(data)).dimension


_PICTURE = (1, 28, 28)
SETTINGS = {
    "Wine": Setting("mlp_released", (13,), 3, 142, 64, 40),
    "Obesity": Setting("mlp_released", (19,), 7, 1477, 64, 100),
    "Adult": Setting("mlp_released", (88,), 2, 10000, 5000, 80),
    "HAPT": Setting("mlp_released", (561,), 7, 7352, 64, 15),
    "MNIST, logistic": Setting("logistic", _PICTURE, 10, 1000, 32, 15),
    "MNIST, CNN": Setting("cnn", _PICTURE, 10, 1000, 64, 20),
    "Fashion, CNN": Setting("cnn", _PICTURE, 10, 4000, 256, 30),
    "Fashion, LeNet": Setting("lenet", _PICTURE, 10, 4000, 256, 30),
    "CIFAR-10, ResNet": Setting("resnet18", (3, 32, 32), 10, 50000, 256, 40, False),
    "CelebA, ResNet": Setting("resnet18", (3, 128, 128), 2, 10000, 64, 5, False),
    "LFW, ResNet": Setting(
        partial(models.resnet18, hidden=256), (3, 224, 224), 29, 984, 41, 49, False
    ),
}
