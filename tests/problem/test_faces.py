"""LFW and CelebA from made-up folders of small images."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets

import unlearning as ul
from unlearning.problem import faces

MEAN = torch.tensor([0.485, 0.456, 0.406]).double()[:, None, None]
DEVIATION = torch.tensor([0.229, 0.224, 0.225]).double()[:, None, None]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty UNLEARNING_DATA, and an empty cache."""
    monkeypatch.setenv("UNLEARNING_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("UNLEARNING_CACHE", str(tmp_path / "cache"))
    return tmp_path / "data"


def image(path, size, seed):
    """A few coloured blocks, which JPEG keeps well; returned as it is read back."""
    path.parent.mkdir(parents=True, exist_ok=True)
    blocks = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    Image.fromarray(blocks).resize(size).save(path, quality=95)
    return path


def standardised(picture):
    pixels = torch.from_numpy(np.array(picture)).permute(2, 0, 1)
    return (pixels.double() / 255 - MEAN) / DEVIATION


PEOPLE = {"Zoe": 30, "Ann": 31, "Bob": 29, "Max": 101, "Kim": 100}


@pytest.fixture
def lfw(folder):
    for name, images in PEOPLE.items():
        for i in range(images):
            size = (250, 250) if name == "Ann" else (16, 16)  # small ones are padded
            image(folder / "LFW" / "lfw" / name / f"{name}_{i:04}.jpg", size, i)
    return folder / "LFW" / "lfw"


def test_lfw_is_the_people_with_30_to_100_images_in_alphabetical_order(lfw):
    train, test = faces.lfw(seed=42)
    assert (len(train[0]), len(test[0])) == (128, 33)  # 161 images, the fifth rounded up
    assert torch.cat([train[1], test[1]]).bincount().tolist() == [31, 100, 30]  # Ann, Kim, Zoe


def test_lfw_pictures_are_cropped_turned_once_by_their_own_angle_and_standardised(lfw):
    data = ul.load("lfw", seed=5, n_train=6, dtype=torch.float64)
    assert data.train.inputs.shape == (6, 3, 224, 224)
    again = ul.load("lfw", seed=5, n_train=6, dtype=torch.float64)
    assert torch.equal(data.train.inputs, again.train.inputs)  # pixels do not change by access

    permuted = np.random.RandomState(5).permutation(161)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        rows = permuted[33:][torch.randperm(128)[:6].numpy()]
        torch.manual_seed(5)
        angles = 30 * torch.rand(161)
    files = sorted(f for name in ("Ann", "Kim", "Zoe") for f in (lfw / name).iterdir())
    assert any(row < 31 for row in rows)  # one of the large ones
    for found, row in zip(data.train.inputs, rows, strict=True):
        whole = Image.new("RGB", (250, 250))
        picture = Image.open(files[row])
        whole.paste(picture, tuple((250 - side) // 2 for side in picture.size))
        turned = whole.crop((13, 13, 237, 237)).rotate(float(angles[row]))
        torch.testing.assert_close(found, standardised(turned), atol=1e-5, rtol=0)
    assert data.train.labels.tolist() == [0 if r < 31 else 1 if r < 131 else 2 for r in rows]


def test_lfw_another_seed_turns_by_other_angles(lfw):
    (first, _), (second, _) = faces.lfw(1), faces.lfw(2)
    assert not torch.equal(first[0][torch.tensor([0])], second[0][torch.tensor([0])])


def test_lfw_missing_cut_short_or_too_small(folder, lfw, monkeypatch, tmp_path):
    for file in (lfw / "Ann").iterdir():
        file.write_bytes(file.read_bytes()[:900])
    with pytest.raises(ValueError, match=r"Ann_00\d\d.jpg: expected a readable image"):
        ul.load("lfw", n_train=100)
    monkeypatch.setattr(faces, "LFW_IMAGES", (500, 600))
    with pytest.raises(ValueError, match="LFW/lfw: expected a folder of .jpg .*500 to 600 images"):
        ul.load("lfw")
    monkeypatch.setenv("UNLEARNING_DATA", str(tmp_path / "elsewhere"))
    monkeypatch.setattr(faces, "LFW_URL", (tmp_path / "none.tgz").as_uri())
    with pytest.raises(RuntimeError, match=r"LFW: not found in .*elsewhere.*Unpack lfw\.tgz from"):
        ul.load("lfw")


@pytest.fixture
def celeba(folder):
    """Ten images: 1-6 for training, 7 for validation, 8-10 for the test; even ones are male."""
    base = folder / "celeba"
    names = [f"{i:06}.jpg" for i in range(1, 11)]
    for i, name in enumerate(names):
        image(base / "img_align_celeba" / name, (178, 218), i)
    rows = [f"{name}  -1 {1 if i % 2 else -1} 1" for i, name in enumerate(names)]
    (base / "list_attr_celeba.txt").write_text("\n".join(["10", "Bald Male Young ", *rows, ""]))
    parts = [0] * 6 + [1] + [2] * 3
    lines = [f"{name} {part}" for name, part in zip(names, parts, strict=True)]
    (base / "list_eval_partition.txt").write_text("\n".join([*lines, ""]))
    return base


def test_celeba_labels_are_genders_and_parts_are_the_official_ones(celeba):
    train, test = faces.celeba()
    assert train[1].tolist() == [0, 1, 0, 1, 0, 1]
    assert test[1].tolist() == [1, 0, 1]


def test_celeba_images_are_the_first_resized_and_standardised(celeba, monkeypatch):
    monkeypatch.setattr(faces, "CELEBA_ROWS", {"0": 5, "2": 2})
    data = ul.load("celeba", seed=3, dtype=torch.float64)
    assert data.train.inputs.shape == (5, 3, 128, 128)
    assert data.test.inputs.shape == (2, 3, 128, 128)
    with torch.random.fork_rng():
        torch.manual_seed(3)
        rows = torch.randperm(5).tolist()
    assert data.train.labels.tolist() == [row % 2 for row in rows]
    for found, row in zip(data.train.inputs, rows, strict=True):
        picture = Image.open(celeba / "img_align_celeba" / f"{row + 1:06}.jpg")
        small = picture.resize((128, 128), Image.Resampling.BILINEAR)
        torch.testing.assert_close(found, standardised(small), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("file", "keep", "message"),
    [
        ("list_attr_celeba.txt", 0.5, "expected 10 images of 3 attributes, got .*cut short"),
        ("list_attr_celeba.txt", 0.98, "expected 10 images of 3 attributes, got 9 complete"),
        ("list_attr_celeba.txt", 0.01, "expected a number of images, then names of attributes"),
        ("list_eval_partition.txt", 0.5, "expected 10 rows of a name and a part"),
        ("img_align_celeba/000003.jpg", 0.5, "expected a readable image"),
        ("img_align_celeba/000003.jpg", None, "expected a readable image, got .*No such file"),
        ("list_eval_partition.txt", None, "expected a list of images, got no such file"),
    ],
)
def test_celeba_cut_short_or_incomplete(celeba, file, keep, message):
    path = celeba / file
    content = path.read_bytes()
    path.unlink() if keep is None else path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(ValueError, match=f"{path.name}: {message}"):
        ul.load("celeba")


def test_celeba_missing(folder, monkeypatch):
    def refuse(*args, **kwargs):
        raise RuntimeError("no network")

    monkeypatch.setattr(datasets, "CelebA", refuse)
    with pytest.raises(RuntimeError, match=r"celeba: not found .*no network; .*gdown"):
        ul.load("celeba")
