"""Faces: LFW (who is it) and CelebA (the gender label), prepared as HF-OCU's code does."""

from functools import partial
from itertools import chain
from pathlib import Path

import torch

from unlearning.base import checks
from unlearning.problem import places
from unlearning.problem.draws import Parts, cut
from unlearning.problem.pictures import of_files, opened

LFW, LFW_SIDE, LFW_IMAGES, LFW_DEGREES, LFW_TEST_SHARE = "LFW/lfw", 224, (30, 100), 30.0, 0.2
LFW_URL = "https://ndownloader.figshare.com/files/5976018"
LFW_SHA256 = "055f7d9c632d7370e6fb4afc7468d40f970c34a80d4c6f50ffec63f5a8d536c0"
CELEBA, CELEBA_SIDE, CELEBA_ROWS = "celeba/img_align_celeba", 128, {"0": 50_000, "2": 20_000}


def lfw(seed: int) -> tuple[Parts, Parts]:
    """The people of LFW with 30 to 100 images: 29 of them, 1,231 images, cut to 984 and 247.

    From ``LFW/lfw/<person>/*.jpg``. Classes are the people in the order of their folders' names,
    pictures are in the order of theirs (the released code takes both as the file system lists them,
    so that its labels and its split differ between machines; it also reads the colours as blue,
    green, red, here they are red, green, blue). The 224 pixels in the middle are kept, and turned
    by 0 to 30 degrees. The angle of a picture is drawn ONCE, by ``seed``: the released code draws
    another one at every access, so that recollection sees other pixels than training did.
    INFERRED: the split is scikit-learn's with ``random_state=seed``; the released code shuffles
    twice, and the published rows depend on the listing order of one machine.

    Raises:
        RuntimeError: if the folder is neither at hand nor can be downloaded.
        ValueError: if nobody has as many images, or one of them cannot be read.
    """
    get = partial(places.download_folder, LFW_URL, LFW_SHA256, LFW)
    folder = places.find(LFW, get, f"Unpack lfw.tgz from {LFW_URL} there")
    people = [sorted(person.glob("*.jpg")) for person in sorted(folder.iterdir())]
    least, most = LFW_IMAGES
    people = [files for files in people if least <= len(files) <= most]
    if not people:
        given = f"none with {least} to {most} images"
        checks.fail(str(folder), "a folder of .jpg files for each person", given)
    labels = torch.tensor([k for k, files in enumerate(people) for _ in files])
    angles = LFW_DEGREES * torch.rand(len(labels), generator=torch.Generator().manual_seed(seed))
    files = list(zip(chain(*people), angles.tolist(), strict=True))
    return tuple(
        (of_files([files[row] for row in rows.tolist()], _turned), labels[rows])
        for rows in cut(len(files), LFW_TEST_SHARE, seed)
    )


def celeba() -> tuple[Parts, Parts]:
    """CelebA with its gender label (1: male): the first 50,000 training and 20,000 test rows.

    Of the test partition only 19,962 exist. From the folder ``celeba`` as torchvision lays it out:
    ``img_align_celeba``, ``list_attr_celeba.txt``, ``list_eval_partition.txt``. Images are resized
    to 128 x 128.

    Raises:
        RuntimeError: if the folder is neither at hand nor can be downloaded.
        ValueError: if a list is cut short, or an image cannot be read.
    """
    advice = "torchvision.datasets.CelebA(folder, download=True) gets it where gdown is installed"
    folder = places.find(CELEBA, _download_celeba, advice).parent
    genders = _genders(folder / "list_attr_celeba.txt")
    partition = _partition(folder / "list_eval_partition.txt", len(genders))
    return tuple(
        _celeba_part(folder, genders, [n for n in genders if partition.get(n) == which][:rows])
        for which, rows in CELEBA_ROWS.items()
    )


def _turned(file: tuple[Path, float]) -> torch.Tensor:
    from torchvision.transforms import functional

    path, angle = file
    middle = functional.center_crop(opened(path, str(path)), [LFW_SIDE, LFW_SIDE])
    return functional.pil_to_tensor(functional.rotate(middle, angle))


def _download_celeba(cache: Path) -> None:
    from torchvision import datasets

    datasets.CelebA(cache, download=True)


def _genders(path: Path) -> dict[str, int]:
    """1 for male and 0 for the others, by the names of the images."""
    lines = _lines(path)
    count, names, rows = lines[0], lines[1].split() if len(lines) > 1 else [], lines[2:]
    if "Male" not in names:
        checks.fail(str(path), "a number of images, then names of attributes, Male among them",
                    f"{count[:40]!r} and {len(names)} names")  # fmt: skip
    values = [line.split() for line in rows]
    whole = [row for row in values if len(row) == 1 + len(names)]
    if not len(whole) == len(values) == int(count):
        checks.fail(str(path), f"{count} images of {len(names)} attributes",
                    f"{len(whole)} complete rows; it is cut short")  # fmt: skip
    male = 1 + names.index("Male")
    return {row[0]: int(row[male] == "1") for row in whole}


def _partition(path: Path, images: int) -> dict[str, str]:
    """Which part each image belongs to: "0" is training, "2" is test."""
    rows = [line.split() for line in _lines(path)]
    if len(rows) != images or any(len(row) != 2 for row in rows):
        checks.fail(str(path), f"{images} rows of a name and a part", f"{len(rows)}; cut short?")
    return dict(rows)


def _lines(path: Path) -> list[str]:
    if not path.is_file():
        checks.fail(str(path), "a list of images", "no such file")
    return path.read_text().splitlines()


def _celeba_part(folder: Path, genders: dict[str, int], names: list[str]) -> Parts:
    if not names:
        checks.fail(str(folder), "images of both the training and the test part", "none of one")
    files = [folder / "img_align_celeba" / name for name in names]
    return of_files(files, _small), torch.tensor([genders[name] for name in names])


def _small(path: Path) -> torch.Tensor:
    from torchvision.transforms import functional

    resized = functional.resize(opened(path, str(path)), [CELEBA_SIDE, CELEBA_SIDE])
    return functional.pil_to_tensor(resized)
