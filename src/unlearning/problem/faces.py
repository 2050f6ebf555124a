"""Faces: LFW (who is it) and CelebA (the gender label), prepared as HF-OCU's code does."""

import os
from functools import partial
from itertools import chain
from pathlib import Path

import torch

from unlearning.base import checks
from unlearning.problem import places
from unlearning.problem.draws import Parts, cut
from unlearning.problem.pictures import of_files, opened

LFW, LFW_SIDE, LFW_IMAGES, LFW_DEGREES, LFW_TEST_SHARE = "LFW/lfw", 224, (30, 100), 30.0, 0.2
LFW_WHOLE = 29, 1230  # people with so many images, and their images
LFW_URL = "https://ndownloader.figshare.com/files/5976018"
LFW_SHA256 = "055f7d9c632d7370e6fb4afc7468d40f970c34a80d4c6f50ffec63f5a8d536c0"
LFW_ADVICE = f"unpack lfw.tgz from {LFW_URL} there"
CELEBA, CELEBA_SIDE, CELEBA_ROWS = "celeba/img_align_celeba", 128, {"0": 50_000, "2": 20_000}
CELEBA_WHOLE = 202_599  # images
CELEBA_ADVICE = (
    "torchvision.datasets.CelebA(folder, download=True) gets it where gdown is installed"
)


def lfw(seed: int) -> tuple[Parts, Parts]:
    """The people of LFW with 30 to 100 images: 29 of them, 1,230 images, cut to 984 and 246.

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
        ValueError: if people or images are missing, or an image cannot be read.
    """
    people = _people()
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
        ValueError: if a list is cut short, if images are missing, or if one cannot be read.
    """
    images = places.find(CELEBA, _download_celeba, CELEBA_ADVICE)
    folder = images.parent
    with checks.advising(f"{places.AGAIN}, or {CELEBA_ADVICE}"):
        genders = _genders(folder / "list_attr_celeba.txt")
        partition = _partition(folder / "list_eval_partition.txt")
        _check_images(images)
    return tuple(
        _celeba_part(folder, genders, [n for n in genders if partition.get(n) == which][:rows])
        for which, rows in CELEBA_ROWS.items()
    )


def _people() -> list[list[Path]]:
    """The images of each person with 30 to 100 of them."""
    get = partial(places.download_folder, LFW_URL, LFW_SHA256, LFW)
    folder = places.find(LFW, get, LFW_ADVICE)
    (least, most), (whole, images) = LFW_IMAGES, LFW_WHOLE
    all_people = [sorted(person.glob("*.jpg")) for person in sorted(folder.iterdir())]
    people = [files for files in all_people if least <= len(files) <= most]
    found = sum(map(len, people))
    if (len(people), found) != LFW_WHOLE:
        with checks.advising(f"{places.AGAIN}, or {LFW_ADVICE}"):
            expected = f"{whole} people with {least} to {most} .jpg files each, {images} in all"
            checks.fail(str(folder), expected, f"{len(people)} such people, {found} files")
    return people


def _turned(file: tuple[Path, float]) -> torch.Tensor:
    from torchvision.transforms import functional

    path, angle = file
    middle = functional.center_crop(opened(path, str(path)), [LFW_SIDE, LFW_SIDE])
    return functional.pil_to_tensor(functional.rotate(middle, angle))


def _download_celeba(cache: Path) -> None:
    from torchvision import datasets

    # torchvision takes any folder of images, half of them too, for all of them.
    places.unpacked(cache / "celeba", lambda part: datasets.CelebA(part, download=True))


def _genders(path: Path) -> dict[str, int]:
    """1 for male and 0 for the others, by the names of the images."""
    lines = _lines(path)
    count, names, rows = "".join(lines[:1]), "".join(lines[1:2]).split(), lines[2:]
    if count.strip() != str(CELEBA_WHOLE) or "Male" not in names:
        expected = f"{CELEBA_WHOLE} (images), then names of attributes, Male among them"
        checks.fail(str(path), expected, f"{count[:40]!r} and {len(names)} names")
    values = [line.split() for line in rows]
    whole = [row for row in values if len(row) == 1 + len(names)]
    if not len(whole) == len(values) == CELEBA_WHOLE:
        checks.fail(str(path), f"{CELEBA_WHOLE} images of {len(names)} attributes",
                    f"{len(whole)} complete rows; it is cut short")  # fmt: skip
    male = 1 + names.index("Male")
    return {row[0]: int(row[male] == "1") for row in whole}


def _partition(path: Path) -> dict[str, str]:
    """Which part each image belongs to: "0" is training, "2" is test."""
    rows = [line.split() for line in _lines(path)]
    if len(rows) != CELEBA_WHOLE or any(len(row) != 2 for row in rows):
        expected = f"{CELEBA_WHOLE} rows of a name and a part"
        checks.fail(str(path), expected, f"{len(rows)}; cut short?")
    return dict(rows)


def _check_images(folder: Path) -> None:
    """Unpacking may have been stopped in the middle."""
    found = sum(name.endswith(".jpg") for name in os.listdir(folder))
    if found != CELEBA_WHOLE:
        checks.fail(str(folder), f"{CELEBA_WHOLE} .jpg files", found)


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
