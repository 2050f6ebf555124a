"""Images that become numbers when they are drawn; MNIST and Fashion-MNIST."""

import io
from collections.abc import Callable
from pathlib import Path

import torch

from unlearning.base import checks
from unlearning.problem import places
from unlearning.problem.draws import Parts


class Pictures:
    """Images that are made numbers when they are asked for, so that only drawn rows take memory.

    Args:
        n: how many there are.
        read: from row numbers ``[k]`` to values in 0..1, shape ``[k, channels, height, width]``.
    """

    def __init__(self, n: int, read: Callable[[torch.Tensor], torch.Tensor]):
        self._n, self._read = n, read

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, rows: torch.Tensor) -> torch.Tensor:
        """The images of some rows, shape ``[k, channels, height, width]``, as float32."""
        return self._read(rows)


def of_bytes(pixels: torch.Tensor) -> Pictures:
    """Pictures from bytes of shape ``[n, channels, height, width]``."""
    return Pictures(len(pixels), lambda rows: pixels[rows].float() / 255)


def of_files(files: list, picture: Callable) -> Pictures:
    """Pictures from files; ``picture(file)`` is bytes of shape ``[channels, height, width]``."""

    def read(rows: torch.Tensor) -> torch.Tensor:
        return torch.stack([picture(files[row]) for row in rows.tolist()]).float() / 255

    return Pictures(len(files), read)


def opened(file: Path | bytes, name: str):
    """A PIL image in RGB.

    Raises:
        ValueError: if the file is missing, cut short or no image.
    """
    from PIL import Image

    try:
        return Image.open(io.BytesIO(file) if isinstance(file, bytes) else file).convert("RGB")
    except OSError as error:
        checks.fail(name, "a readable image", error)


def mnist_like(name: str) -> tuple[Parts, Parts]:
    """MNIST or FashionMNIST by torchvision: 60,000 and 10,000 grey images of 28 x 28.

    Raises:
        RuntimeError: if the files are neither at hand nor can be downloaded.
    """
    from torchvision import datasets  # imported only here: it costs a second

    place = places.data_folder()
    with places.locked(name) as cache:
        if place is not None:
            places.copy(sorted((place / name / "raw").glob("*.gz")), cache / name / "raw")
        with places.explained(f"{name}/raw", cache):
            files = [getattr(datasets, name)(cache, train=t, download=True) for t in (True, False)]
    return tuple((of_bytes(file.data[:, None]), file.targets) for file in files)
