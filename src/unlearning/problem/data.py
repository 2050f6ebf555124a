"""Data sets by name, split and standardised, the same way on every machine.

Some ship inside scikit-learn or are generated. The others are read from the folder in
``UNLEARNING_DATA`` or downloaded into a cache folder (``UNLEARNING_CACHE``, by default
``~/.cache/unlearning-companion``).
"""

import importlib
import os
from dataclasses import dataclass
from pathlib import Path

import torch

from unlearning.base import checks, devices
from unlearning.problem import draws
from unlearning.problem.draws import TEST_PER_TRAIN, TEST_SHARE, Parts, draw_forget_set
from unlearning.problem.samples import Data, Samples

__all__ = ["DATASETS", "TEST_PER_TRAIN", "TEST_SHARE", "draw_forget_set", "load"]


@dataclass(frozen=True)
class Recipe:
    """How a data set is made from what is stored.

    Args:
        home: file and function that read training and test part; the test part is None if it is to
            be split off. Imported when used, so that no other run depends on that file.
        arguments: of that function.
        cut: whether it takes the seed, too, and cuts one table in two by it.
        released: whether rows are drawn as the released HF-OCU code draws them (``draws.draw``).
        scaling: mean and standard deviation of each channel of an image; by default those of each
            feature, over the rows that are learned from (released: over the whole training part).
    """

    home: str
    arguments: tuple = ()
    cut: bool = False
    released: bool = True
    scaling: tuple[tuple[float, ...], tuple[float, ...]] | None = None

    def read(self, seed: int) -> tuple[Parts, Parts | None]:
        """Training and test part, before rows are drawn."""
        file, function = self.home.split(".")
        reader = getattr(importlib.import_module(f"unlearning.problem.{file}"), function)
        return reader(*self.arguments, seed) if self.cut else reader(*self.arguments)

    def make(self, seed: int, n_train: int | None) -> tuple[Parts, Parts, Parts]:
        """Training rows, test rows, and the mean and scale to standardise them with."""
        stored = self.read(seed)
        chosen = (draws.draw if self.released else draws.split)(stored, seed, n_train)
        if self.scaling is not None:
            return *chosen, tuple(_channels(values) for values in self.scaling)
        return *chosen, draws.own_scaling(stored[0][0] if self.released else chosen[0][0])


def load(
    name: str | os.PathLike,
    *,
    seed: int = 0,
    n_train: int | None = None,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> Data:
    """Load a data set by name, or one of your own from an ``.npz`` file.

    ``digits``, ``wine``, ``breast_cancer`` and files without a test part are shuffled by ``seed``;
    a fifth of the rows is the test set, whatever ``n_train`` is.

    The others are drawn as the released HF-OCU code draws them. Those that come as one table
    (``wine_released``, ``obesity``, ``adult``, ``lfw``) are cut in two by scikit-learn with
    ``random_state=seed``; the others keep their own test part. Then come the first ``n_train`` rows
    of ``randperm`` over the training part and the first ``0.4 * n_train`` over the test part, each
    drawn with ``seed``; with all training rows, all test rows.

    Features are standardised by the training rows (a constant column is only centred), in the
    released draws by the whole training part before ``n_train`` of it are taken; images by the
    papers' fixed means and deviations.

    ``generated_har`` has the shape of UCI HAR and random content: for costs only.
    ``cifar10_jpeg_subset`` is a fifth of CIFAR-10, stored lossily: no result on it is CIFAR-10's.

    Args:
        name: one of ``DATASETS``, or the path of an ``.npz`` file with ``inputs [n, ...]`` and
            ``labels [n]`` (optionally ``test_inputs`` and ``test_labels`` too).
        seed: which rows are drawn, and in which order.
        n_train: how many training rows to keep; all by default.
        dtype: floating-point type of the inputs.
        device: where the tensors live.

    Raises:
        ValueError: for an unknown name, a malformed file, or an ``n_train`` that is too large.
        RuntimeError: if a set is neither at hand nor can be downloaded; it names the folders.
    """
    seed = checks.integer("seed", seed, least=0, most=2**64 - 1)
    dtype, device = devices.real("dtype", dtype), devices.device("device", device)
    train, test, (mean, scale) = _recipe(name).make(seed, n_train)
    train, test = (
        Samples((inputs - mean) / scale, labels).to(dtype=dtype, device=device)
        for inputs, labels in (train, test)
    )
    return Data(str(name), train, test, (mean.to(device, dtype), scale.to(device, dtype)))


def _recipe(name: str | os.PathLike) -> Recipe:
    if str(name).endswith(".npz"):
        return Recipe("own_data.parts", (Path(name),), released=False)
    if name not in _RECIPES:
        checks.fail("name", f"one of {', '.join(DATASETS)}, or a path ending in .npz", repr(name))
    return _RECIPES[name]


def _channels(values: tuple[float, ...]) -> torch.Tensor:
    """Of shape ``[channels, 1, 1]``; a single number for grey images."""
    return torch.tensor(values[0]) if len(values) == 1 else torch.tensor(values)[:, None, None]


# Means and deviations as in the HF-OCU code.
_CIFAR = (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)
_IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_RECIPES = {
    "digits": Recipe("embedded.whole", ("load_digits", (1, 8, 8)), released=False),
    "wine": Recipe("embedded.whole", ("load_wine",), released=False),
    "breast_cancer": Recipe("embedded.whole", ("load_breast_cancer",), released=False),
    "mnist": Recipe("pictures.mnist_like", ("MNIST",), scaling=((0.1307,), (0.3081,))),
    "fashion_mnist": Recipe("pictures.mnist_like", ("FashionMNIST",), scaling=((0.5,), (0.5,))),
    "wine_released": Recipe("embedded.wine_released", cut=True),
    "obesity": Recipe("tables.obesity", cut=True),
    "adult": Recipe("tables.adult", cut=True),
    "generated_har": Recipe("generated.har_shaped"),
    "cifar10": Recipe("cifar.cifar10", scaling=_CIFAR),
    "cifar10_jpeg_subset": Recipe("cifar.cifar10_jpeg_subset", scaling=_CIFAR),
    "lfw": Recipe("faces.lfw", cut=True, scaling=_IMAGENET),
    "celeba": Recipe("faces.celeba", scaling=_IMAGENET),
}
DATASETS = tuple(_RECIPES)
