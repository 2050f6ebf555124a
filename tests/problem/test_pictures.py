"""Fashion-MNIST, CIFAR-10 in both of its forms, from real files and from made-up ones."""

import gzip
import hashlib
import io
import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import datasets

import unlearning as ul
from unlearning.problem import cifar as cifar_files

MEAN = np.array([0.4914, 0.4822, 0.4465])[:, None, None]
DEVIATION = np.array([0.2023, 0.1994, 0.2010])[:, None, None]


def drawn(n, asked, seed):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return torch.randperm(n)[:asked].tolist()


def raw(folder, name, offset):
    """Bytes of one of the packed files, past its header."""
    content = gzip.decompress((folder / f"{name}-ubyte.gz").read_bytes())
    return np.frombuffer(content, dtype=np.uint8)[offset:]


@pytest.mark.parametrize(
    ("name", "stored", "n_train", "mean", "deviation"),
    [
        pytest.param("mnist", "MNIST", 1000, 0.1307, 0.3081, marks=pytest.mark.mnist),
        pytest.param("fashion_mnist", "FashionMNIST", 4000, 0.5, 0.5, marks=pytest.mark.published),
    ],
)
def test_the_released_subsets(tmp_path, monkeypatch, name, stored, n_train, mean, deviation):
    monkeypatch.setenv("UNLEARNING_CACHE", str(tmp_path))
    folder = Path(os.environ["UNLEARNING_DATA"]) / stored / "raw"
    data = ul.load(name, seed=42, n_train=n_train)
    parts = (data.train, "train", 60_000, n_train), (data.test, "t10k", 10_000, 2 * n_train // 5)
    for found, part, n, asked in parts:
        rows = drawn(n, asked, 42)
        assert found.inputs.shape == (asked, 1, 28, 28)
        np.testing.assert_array_equal(found.labels, raw(folder, f"{part}-labels-idx1", 8)[rows])
        images = raw(folder, f"{part}-images-idx3", 16).reshape(n, 28, 28)[rows]
        expected = (images / 255 - mean) / deviation
        np.testing.assert_allclose(found.inputs[:, 0], expected, atol=1e-6)
    assert {file.suffix for file in folder.iterdir()} == {".gz"}  # nothing was unpacked there


def cifar_batch(path, n, seed):
    """A file of the form of CIFAR-10's; returns its md5."""
    values = np.random.default_rng(seed).integers(0, 256, (n, 3072), dtype=np.uint8)
    path.write_bytes(pickle.dumps({"data": values, "labels": [i % 10 for i in range(n)]}))
    return hashlib.md5(path.read_bytes()).hexdigest(), values


@pytest.fixture
def cifar(folder, monkeypatch):
    """The unpacked folder, as torchvision knows it, with 30 and 12 images."""
    base = folder / "CIFAR10" / "cifar-10-batches-py"
    base.mkdir(parents=True)
    found = {name: cifar_batch(base / name, n, n) for name, n in (("data_batch_1", 30),
                                                                  ("test_batch", 12))}  # fmt: skip
    (base / "batches.meta").write_bytes(pickle.dumps({"label_names": [str(i) for i in range(10)]}))
    digest = hashlib.md5((base / "batches.meta").read_bytes()).hexdigest()
    known = {"filename": "batches.meta", "key": "label_names", "md5": digest}
    monkeypatch.setattr(datasets.CIFAR10, "meta", known)
    for part, name in (("train_list", "data_batch_1"), ("test_list", "test_batch")):
        monkeypatch.setattr(datasets.CIFAR10, part, [[name, found[name][0]]])
    return base, {name: values for name, (_, values) in found.items()}


def test_cifar10_from_the_readers_folder_is_drawn_and_scaled_as_released(cifar, tmp_path):
    _, values = cifar
    data = ul.load("cifar10", seed=930, n_train=20, dtype=torch.float64)
    assert (len(data.train), len(data.test)) == (20, 8)
    rows = drawn(30, 20, 930)
    images = values["data_batch_1"].reshape(30, 3, 32, 32)[rows]
    np.testing.assert_allclose(data.train.inputs, (images / 255 - MEAN) / DEVIATION, atol=1e-5)
    assert data.train.labels.tolist() == [row % 10 for row in rows]
    assert not (tmp_path / "cache").exists()


def test_cifar10_from_the_packed_file_in_the_readers_folder(cifar, monkeypatch, tmp_path):
    base, values = cifar
    packed = base.parent / datasets.CIFAR10.filename
    with tarfile.open(packed, "w:gz") as archive:
        archive.add(base, base.name)
    for file in base.iterdir():
        file.unlink()
    base.rmdir()
    digest = hashlib.md5(packed.read_bytes()).hexdigest()
    monkeypatch.setattr(datasets.CIFAR10, "tgz_md5", digest)
    data = ul.load("cifar10", seed=1)
    assert len(data.train) == len(values["data_batch_1"])
    assert [path.name for path in base.parent.iterdir()] == [packed.name]  # nothing unpacked here


def test_a_broken_or_missing_cifar10_is_refused(cifar, monkeypatch, tmp_path):
    base, _ = cifar
    (base / "test_batch").write_bytes(b"short")
    refused = r"cifar-10-batches-py: expected .* missing or changed .*the set is got again, from "
    with pytest.raises(ValueError, match=refused):
        ul.load("cifar10")
    (base / "test_batch").unlink()
    with pytest.raises(ValueError, match=refused):
        ul.load("cifar10")
    monkeypatch.setenv("UNLEARNING_DATA", str(tmp_path / "elsewhere"))
    monkeypatch.setattr(datasets.CIFAR10, "url", (tmp_path / "none.tar.gz").as_uri())
    with pytest.raises(RuntimeError, match=r"CIFAR10: not found in .*elsewhere.*nor in .*cache"):
        ul.load("cifar10")


def jpeg(colour):
    file = io.BytesIO()
    Image.new("RGB", (32, 32), colour).save(file, "JPEG", quality=95)
    return file.getvalue()


def subset(path, each=3):
    """An archive of the form of the subset: one colour a class, and in no order."""
    path.parent.mkdir(parents=True)
    with tarfile.open(path, "w") as archive:
        for part in ("test", "train"):
            for i in reversed(range(each)):
                for k in (3, 1, 2, 0, 9, 8, 7, 6, 5, 4):
                    content = jpeg((25 * k, 255 - 25 * k, 10 * i))
                    member = tarfile.TarInfo(f"{part}/{'abcdefghij'[k]}/{i:04}.jpg")
                    member.size = len(content)
                    archive.addfile(member, io.BytesIO(content))
    return path


def test_the_jpeg_subset_is_read_in_the_order_of_its_names(folder):
    subset(folder / "CIFAR10" / "cifar10-jpeg-subset.tar")
    data = ul.load("cifar10_jpeg_subset", seed=7, dtype=torch.float64)
    assert data.name == "cifar10_jpeg_subset"
    rows = drawn(30, 30, 7)
    assert data.train.labels.tolist() == [row // 3 for row in rows]
    mean, scale = data.scaling
    colours = ((data.train.inputs * scale + mean) * 255).mean((2, 3))
    expected = torch.tensor([[25 * (r // 3), 255 - 25 * (r // 3), 10 * (r % 3)] for r in rows])
    assert float((colours - expected).abs().max()) < 4  # as far as JPEG goes


@pytest.mark.parametrize("keep", [0.1, 0.6, 0.97])
def test_a_subset_cut_short_is_refused_by_its_path(folder, keep):
    path = subset(folder / "CIFAR10" / "cifar10-jpeg-subset.tar", each=20)
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    with pytest.raises(ValueError, match=r"cifar10-jpeg-subset\.tar: expected .*cut short"):
        ul.load("cifar10_jpeg_subset")


def test_without_the_subset_the_official_set_is_pointed_at(folder):
    with pytest.raises(RuntimeError, match="CIFAR10: not found .*'cifar10' is the official one"):
        ul.load("cifar10_jpeg_subset")


@pytest.mark.published
def test_the_real_subset():
    data = ul.load("cifar10_jpeg_subset", seed=1, n_train=500)
    assert data.train.inputs.shape == (500, 3, 32, 32)
    assert (len(data.test), data.n_classes) == (200, 10)
    assert float(data.train.inputs.mean().abs()) < 0.2
    train, test = cifar_files.cifar10_jpeg_subset()
    assert train[1].bincount().tolist() == [1000] * 10
    assert test[1].bincount().tolist() == [200] * 10
