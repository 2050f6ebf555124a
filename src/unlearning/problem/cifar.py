"""CIFAR-10, and a subset of it kept as JPEG."""

import tarfile
from pathlib import Path

import torch

from unlearning.base import checks
from unlearning.problem import places
from unlearning.problem.draws import Parts
from unlearning.problem.pictures import of_bytes, of_files, opened

JPEG_SUBSET = "CIFAR10/cifar10-jpeg-subset.tar"


def cifar10() -> tuple[Parts, Parts]:
    """CIFAR-10 by torchvision: 50,000 and 10,000 colour images of 32 x 32.

    From ``CIFAR10/cifar-10-batches-py`` or ``CIFAR10/cifar-10-python.tar.gz``.

    Raises:
        RuntimeError: if the files are neither at hand nor can be downloaded.
        ValueError: if the reader's own folder is not as published.
    """
    from torchvision import datasets

    place = places.data_folder()
    if place is not None and (place / "CIFAR10" / datasets.CIFAR10.base_folder).is_dir():
        return _own_cifar(datasets.CIFAR10, place / "CIFAR10")
    with places.locked("CIFAR10") as cache:
        if place is not None:
            packed = sorted((place / "CIFAR10").glob(datasets.CIFAR10.filename))
            places.copy(packed, cache / "CIFAR10")
        with places.explained("CIFAR10", cache):
            return _cifar_parts(datasets.CIFAR10, cache / "CIFAR10", download=True)


def cifar10_jpeg_subset() -> tuple[Parts, Parts]:
    """10,000 and 2,000 images of CIFAR-10, stored lossily: results on it are NOT CIFAR-10's.

    JPEG of quality 75 with a numbering of its own, read from ``CIFAR10/cifar10-jpeg-subset.tar``
    without unpacking it.

    Raises:
        RuntimeError: if the archive is not at hand; it cannot be downloaded.
        ValueError: if the archive is cut short.
    """
    path = places.find(JPEG_SUBSET, _refuse_download, "The data set 'cifar10' is the official one")
    members = _members(path)
    return tuple(_from_members(path, members, part) for part in ("train", "test"))


def _own_cifar(dataset: type, root: Path) -> tuple[Parts, Parts]:
    try:
        return _cifar_parts(dataset, root, download=False)
    except (RuntimeError, OSError) as error:  # torchvision compares the files with their md5
        with checks.advising(f"{places.AGAIN}, from {dataset.url}"):
            checks.fail(str(root / dataset.base_folder), "the files of CIFAR-10 as published",
                        f"one missing or changed ({error})")  # fmt: skip


def _cifar_parts(dataset: type, root: Path, *, download: bool) -> tuple[Parts, Parts]:
    files = [dataset(root, train=train, download=download) for train in (True, False)]
    return tuple(
        (of_bytes(torch.from_numpy(file.data).permute(0, 3, 1, 2)), torch.tensor(file.targets))
        for file in files
    )


def _refuse_download(cache: Path) -> None:
    raise OSError("nothing is known to download it from")


def _members(path: Path) -> dict[str, bytes]:
    """All images of an archive by their names, such as ``train/airplane/0000.jpg``."""
    try:
        with tarfile.open(path) as archive:
            files = [member for member in archive if member.isfile()]
            return {member.name: archive.extractfile(member).read() for member in files}
    except (tarfile.TarError, EOFError) as error:
        checks.fail(str(path), "a whole archive", f"{error}; it is cut short")


def _from_members(path: Path, members: dict[str, bytes], part: str) -> Parts:
    names = sorted(name for name in members if name.startswith(f"{part}/"))
    of = [name.split("/")[1] for name in names]
    classes = sorted(set(of))
    sizes = {of.count(name) for name in classes}
    if len(classes) != 10 or len(sizes) != 1:
        given = f"{len(names)} in {len(classes)} classes; it is cut short"
        checks.fail(str(path), f"as many images of each of 10 classes in {part}/", given)

    def picture(name: str) -> torch.Tensor:
        from torchvision.transforms.functional import pil_to_tensor

        return pil_to_tensor(opened(members[name], f"{path}: {name}"))

    return of_files(names, picture), torch.tensor([classes.index(name) for name in of])
