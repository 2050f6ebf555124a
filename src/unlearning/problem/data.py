"""Data sets by name, split and standardised, the same way on every machine.

``digits``, ``wine`` and ``breast_cancer`` ship inside scikit-learn. ``mnist`` and ``fashion_mnist``
are read from the folder in ``UNLEARNING_DATA`` or downloaded by torchvision into a cache folder
(``UNLEARNING_CACHE``, by default ``~/.cache/unlearning-companion``).
"""

import math
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from unlearning.base import checks
from unlearning.problem.samples import Data, Samples

TEST_SHARE = 0.2  # of the sets that come without a test set
TEST_PER_TRAIN = 0.4  # test rows per training row where both files exist, as the HF-OCU code draws

Parts = tuple[torch.Tensor, torch.Tensor]


def load(
    name: str | os.PathLike,
    *,
    seed: int = 0,
    n_train: int | None = None,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> Data:
    """Load a data set by name, or one of your own from an ``.npz`` file.

    scikit-learn sets and files without a test part are shuffled by ``seed``; a fifth of the rows is
    the test set, whatever ``n_train`` is. MNIST-like sets keep their own test file: the first
    ``n_train`` rows of ``randperm(60000)`` and the first ``0.4 * n_train`` of ``randperm(10000)``,
    each drawn with ``seed``, as the released HF-OCU code does.

    Features are standardised by the training rows (a constant column is only centred); MNIST and
    Fashion-MNIST by the papers' fixed mean and deviation.

    Args:
        name: ``digits``, ``wine``, ``breast_cancer``, ``mnist``, ``fashion_mnist``, or the path of
            an ``.npz`` file with ``inputs [n, ...]`` and ``labels [n]`` (optionally
            ``test_inputs`` and ``test_labels`` too).
        seed: which rows are drawn, and in which order.
        n_train: how many training rows to keep; all by default.
        dtype: floating-point type of the inputs.
        device: where the tensors live.

    Raises:
        ValueError: for an unknown name, a malformed file, or an ``n_train`` that is too large.
        RuntimeError: if a set is neither at hand nor can be downloaded; it names the folders.
    """
    seed = checks.integer("seed", seed, least=0)
    if str(name).endswith(".npz"):
        from unlearning.problem import own_data  # so that no other run depends on it

        own, own_test = own_data.read(Path(name))
        held_out = None if own_test is None else (own_test.inputs, own_test.labels)
        train, test = _split(((own.inputs, own.labels), held_out), seed, n_train)
        scaling = _own_scaling(train[0])
    elif name in _EMBEDDED:
        train, test = _split((_EMBEDDED[name](), None), seed, n_train)
        scaling = _own_scaling(train[0])
    elif name in _DOWNLOADED:
        folder, *fixed = _DOWNLOADED[name]
        train, test = _draw(_read_torchvision(folder), seed, n_train)
        scaling = tuple(torch.tensor(value) for value in fixed)
    else:
        known = f"one of {', '.join(DATASETS)}, or a path ending in .npz"
        checks.fail("name", known, repr(name))
    mean, scale = scaling
    train, test = (
        Samples((inputs - mean) / scale, labels).to(dtype=dtype, device=device)
        for inputs, labels in (train, test)
    )
    return Data(str(name), train, test, (mean.to(device, dtype), scale.to(device, dtype)))


def draw_forget_set(n: int, m: int, seed: int) -> list[int]:
    """Draw ``m`` of ``n`` samples to delete, as the released HF-OCU code draws them.

    Sets of different ``m`` from one seed overlap, and some contain others.

    Raises:
        ValueError: if ``m`` is not between 1 and ``n - 1``.
    """
    m = checks.integer("m", m, least=1, most=n - 1)
    return random.Random(checks.integer("seed", seed, least=0)).sample(range(n), m)


def _draw(parts: tuple[Parts, Parts], seed: int, n_train: int | None) -> tuple[Parts, Parts]:
    """The released draw from a training file and a test file of grey images, scaled to 0..1."""
    (inputs, labels), (test_inputs, test_labels) = parts
    n = _count(n_train, len(inputs))
    n_test = max(1, min(len(test_inputs), int(TEST_PER_TRAIN * n)))
    rows, test_rows = _order(len(inputs), seed)[:n], _order(len(test_inputs), seed)[:n_test]
    train = inputs[rows].float()[:, None] / 255, labels[rows]
    return train, (test_inputs[test_rows].float()[:, None] / 255, test_labels[test_rows])


def _count(n_train: int | None, most: int) -> int:
    """``n_train`` if it is possible, all rows if it is None."""
    if n_train is None:
        return most
    return checks.integer("n_train", n_train, least=1, most=most, note=" (the rows at hand)")


def _order(n: int, seed: int) -> torch.Tensor:
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed))


def _split(parts: tuple[Parts, Parts | None], seed: int, n_train: int | None):
    """Shuffle by seed, set the test rows apart, then keep the first ``n_train`` of the others."""
    (inputs, labels), test = parts
    order = _order(len(inputs), seed)
    if test is None:
        n_test = math.ceil(TEST_SHARE * len(inputs))
        order, held_out = order[: len(order) - n_test], order[len(order) - n_test :]
        test = inputs[held_out], labels[held_out]
    n = _count(n_train, len(order))
    return (inputs[order[:n]], labels[order[:n]]), test


def _own_scaling(inputs: torch.Tensor) -> Parts:
    """Mean and scale of each feature; a constant one, up to rounding, has scale 1."""
    deviation = inputs.std(0, unbiased=False)
    varies = deviation > 1e-12 * inputs.abs().amax(0)
    return inputs.mean(0), torch.where(varies, deviation, torch.ones_like(deviation))


def _sklearn(loader: str, image: tuple[int, ...] = ()) -> Callable[[], Parts]:
    def read() -> Parts:
        from sklearn import datasets

        inputs, labels = getattr(datasets, loader)(return_X_y=True)
        inputs = torch.from_numpy(np.asarray(inputs, dtype=np.float64))
        return inputs.reshape(len(inputs), *image) if image else inputs, torch.from_numpy(labels)

    return read


_EMBEDDED = {
    "digits": _sklearn("load_digits", image=(1, 8, 8)),
    "wine": _sklearn("load_wine"),
    "breast_cancer": _sklearn("load_breast_cancer"),
}
# name: (torchvision class and folder name, mean, standard deviation), as in the HF-OCU code
_DOWNLOADED = {
    "mnist": ("MNIST", 0.1307, 0.3081),
    "fashion_mnist": ("FashionMNIST", 0.5, 0.5),
}
DATASETS = (*_EMBEDDED, *_DOWNLOADED)


def _read_torchvision(folder: str) -> tuple[Parts, Parts]:
    from filelock import FileLock
    from torchvision import datasets  # imported only here: it costs a second

    cache = Path(os.environ.get("UNLEARNING_CACHE") or Path.home() / ".cache/unlearning-companion")
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / f".{folder}.lock"):  # two notebooks may ask at once
        local = _copy_local(folder, cache)
        try:
            parts = [
                getattr(datasets, folder)(cache, train=t, download=True) for t in (True, False)
            ]
        except (RuntimeError, OSError) as error:
            raise RuntimeError(
                f"{folder}: not found in {local} (UNLEARNING_DATA) nor in {cache} "
                f"(UNLEARNING_CACHE), and the download failed: {error}"
            ) from error
    return tuple((part.data, part.targets) for part in parts)


def _copy_local(folder: str, cache: Path) -> str:
    """Copy the packed files from ``UNLEARNING_DATA`` to the cache; say where it looked."""
    if not os.environ.get("UNLEARNING_DATA"):
        return "no local folder"
    source = Path(os.environ["UNLEARNING_DATA"]) / folder / "raw"
    target = cache / folder / "raw"
    target.mkdir(parents=True, exist_ok=True)
    for file in source.glob("*.gz"):
        if not (target / file.name).exists():
            shutil.copyfile(file, target / f"{file.name}.part")
            (target / f"{file.name}.part").rename(target / file.name)
    return str(source)
