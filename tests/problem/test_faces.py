"""LFW and CelebA from made-up folders of small images."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets

import unlearning as ul
from unlearning.problem import faces

MEAN = torch.tensor([0.485, 0.456, 0.406]).double()[:, None, None]
DEVIATION = torch.tensor([0.229, 0.224, 0.225]).double()[:, None, None]


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
#: As published: images of those who have 30 to 100 of them, and of some of the others.
OFFICIAL = [77, 71, 60, 55, 53, 52, 52, 49, 48, 44, 42, 42, 41, 41, 39, 39, 37, 36, 35, 33, 33, 33,
            32, 32, 32, 31, 31, 30, 30]  # fmt: skip
OTHERS = [530, 236, 144, 121, 109, 29, 29, 28, 1]


def test_lfw_with_the_published_numbers_of_images(folder, tmp_path):
    one = image(tmp_path / "one.jpg", (16, 16), 0)
    for person, images in enumerate(OFFICIAL + OTHERS):
        place = folder / "LFW" / "lfw" / f"{person:02}"
        place.mkdir(parents=True)
        for i in range(images):
            (place / f"{i:04}.jpg").hardlink_to(one)
    train, test = faces.lfw(seed=42)
    assert (len(train[0]), len(test[0])) == (984, 246)
    assert torch.cat([train[1], test[1]]).bincount().tolist() == OFFICIAL

    (folder / "LFW" / "lfw" / "00" / "0000.jpg").unlink()
    given = (
        r"LFW/lfw: expected 29 people .* 1230 in all, got 29 such people, 1229 files; .*lfw\.tgz"
    )
    with pytest.raises(ValueError, match=given):
        ul.load("lfw")


@pytest.fixture
def lfw(folder, monkeypatch):
    monkeypatch.setattr(faces, "LFW_WHOLE", (3, 161))
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
    with pytest.raises(
        ValueError, match="LFW/lfw: .* 500 to 600 .jpg files each.* got 0 such people"
    ):
        ul.load("lfw")
    monkeypatch.setenv("UNLEARNING_DATA", str(tmp_path / "elsewhere"))
    monkeypatch.setattr(faces, "LFW_URL", (tmp_path / "none.tgz").as_uri())
    with pytest.raises(RuntimeError, match=r"LFW: not found in .*elsewhere.*unpack lfw\.tgz from"):
        ul.load("lfw")


def test_three_people_are_not_taken_for_all_of_lfw(lfw, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setenv("UNLEARNING_DATA", str(lfw.parent.parent))
    with pytest.raises(ValueError, match="expected 29 people .*got 3 such people, 161 files"):
        ul.load("lfw")


@pytest.fixture
def celeba(folder, monkeypatch):
    """Ten images: 1-6 for training, 7 for validation, 8-10 for the test; even ones are male."""
    monkeypatch.setattr(faces, "CELEBA_WHOLE", 10)
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
        ("list_attr_celeba.txt", 0.01, "expected 10 .images., then names of attributes"),
        ("list_attr_celeba.txt", 0, "expected 10 .images., then names of .*, got '' and 0 names"),
        ("list_eval_partition.txt", 0.5, "expected 10 rows of a name and a part"),
        ("img_align_celeba/000003.jpg", 0.5, "expected a readable image"),
        ("list_eval_partition.txt", None, "expected a list of images, got no such file"),
    ],
)
def test_celeba_cut_short_or_incomplete(celeba, file, keep, message):
    path = celeba / file
    content = path.read_bytes()
    path.unlink() if keep is None else path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(ValueError, match=f"{path.name}: {message}"):
        ul.load("celeba")


@pytest.mark.parametrize("count", ["ten", "9", ""])
def test_celeba_with_another_count_in_its_first_line(celeba, count):
    path = celeba / "list_attr_celeba.txt"
    path.write_text(path.read_text().replace("10\n", f"{count}\n", 1))
    with pytest.raises(ValueError, match=f"expected 10 .images.*got '{count}' and 3 names.*gdown"):
        ul.load("celeba")


def test_celeba_unpacked_in_part_or_of_ten_images(celeba, monkeypatch):
    (celeba / "img_align_celeba" / "000003.jpg").unlink()
    given = "img_align_celeba: expected 10 .jpg files, got 9; without this folder .*gdown"
    with pytest.raises(ValueError, match=given):
        ul.load("celeba")
    monkeypatch.setattr(faces, "CELEBA_WHOLE", 202_599)
    with pytest.raises(ValueError, match="expected 202599 .images.* got '10' and 3 names"):
        ul.load("celeba")


def test_celeba_killed_while_it_is_unpacked_is_got_again(celeba, monkeypatch, tmp_path):
    """torchvision's download is made to put the ten images, of which only some come at first."""
    ready, attempts = tmp_path / "ready", []
    celeba.rename(ready)

    def download(root, download):
        attempts.append(root)
        shutil.copytree(ready, root / "celeba")
        if len(attempts) == 1:
            (root / "celeba" / "img_align_celeba" / "000007.jpg").unlink()
            raise KeyboardInterrupt

    monkeypatch.setattr(datasets, "CelebA", download)
    with pytest.raises(KeyboardInterrupt):
        ul.load("celeba")
    assert len(ul.load("celeba").train) == 6
    assert len(ul.load("celeba").train) == 6
    assert len(attempts) == 2
    assert not (tmp_path / "cache" / "celeba.part").exists()


def test_celeba_missing(folder, monkeypatch):
    def refuse(*args, **kwargs):
        raise RuntimeError("no network")

    monkeypatch.setattr(datasets, "CelebA", refuse)
    with pytest.raises(RuntimeError, match=r"celeba: not found .*no network; .*gdown"):
        ul.load("celeba")
