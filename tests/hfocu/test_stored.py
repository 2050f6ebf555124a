"""Approximators on disk: what is read of them, what is noticed, and what rounding costs."""

import os

import pytest
import torch

import unlearning as ul
from tests.cases import cases
from unlearning.base.durable import MANIFEST, read_manifest

RUN = cases()[0].run(clip=True)
EACH = ul.recollect(RUN)


@pytest.fixture
def store(tmp_path):
    ul.recollect(RUN, folder=tmp_path / "store")
    return tmp_path / "store"


def rows_file(store):
    (path,) = store.glob("rows-*")
    return path


def test_deleting_from_disk_reads_the_rows_asked_for_and_no_others(store, monkeypatch):
    opened = ul.open_approximators(store)
    amounts, read = [], os.preadv

    def counted(handle, buffers, place):
        amounts.append(sum(len(buffer) for buffer in buffers))
        return read(handle, buffers, place)

    monkeypatch.setattr(os, "preadv", counted)
    unlearned = ul.forget(RUN, opened, [11, 3])
    assert amounts == [RUN.weights.nbytes] * 2
    assert torch.equal(unlearned, ul.forget(RUN, EACH, [3, 11]))


def test_a_damaged_row_is_named_when_it_is_asked_for(store):
    path = rows_file(store)
    content = bytearray(path.read_bytes())
    place = content.index(EACH.vectors[6].numpy().tobytes())
    content[place + 20] ^= 1
    path.write_bytes(content)
    opened = ul.open_approximators(store)
    assert torch.equal(ul.forget(RUN, opened, [5]), ul.forget(RUN, EACH, [5]))
    with pytest.raises(ValueError, match=f"{path.name}: expected row 6 as it was written"):
        ul.forget(RUN, opened, [6])


@pytest.mark.parametrize("damage", ["short", "gone", "manifest gone", "manifest changed"])
def test_a_damaged_store_is_named_when_it_is_opened(store, damage):
    path = rows_file(store) if not damage.startswith("manifest") else store / MANIFEST
    if damage == "short":
        path.write_bytes(path.read_bytes()[:-5])
    elif damage == "manifest changed":
        path.write_text(path.read_text().replace('"R2"', '"R1"'))
    else:
        path.unlink()
    with pytest.raises(ValueError, match=f"{path.name}: expected"):
        ul.open_approximators(store)


def test_each_kind_of_store_is_told_from_the_other(store, tmp_path):
    objective, samples = RUN.objective, RUN.samples
    ul.train(objective, samples, RUN.schedule, folder=tmp_path / "run")
    with pytest.raises(ValueError, match="folder: expected one that recollect"):
        ul.open_approximators(tmp_path / "run")
    with pytest.raises(ValueError, match="folder: expected one that train"):
        ul.open_run(store, objective, samples)
    with pytest.raises(ValueError, match="folder: expected an empty folder"):
        ul.train(objective, samples, RUN.schedule, folder=store)
    with pytest.raises(ValueError, match="folder: expected an empty one"):
        ul.recollect(RUN, folder=tmp_path / "run")


def test_rounding_to_bfloat16_is_bounded_and_recorded(tmp_path):
    found = ul.recollect(RUN, folder=tmp_path, storage="bfloat16")
    stored = found.vectors[:].double()
    assert found.vectors[:].dtype == torch.float32
    error = (stored - EACH.vectors).abs() / EACH.vectors.abs()
    assert 2**-12 < error.max() <= 2**-8
    worst = ((stored - EACH.vectors).norm(dim=1) / EACH.vectors.norm(dim=1)).max()
    (block,) = read_manifest(tmp_path)["blocks"]
    assert block["error"] == pytest.approx(float(worst), rel=1e-6)
    path = rows_file(tmp_path)
    assert path.stat().st_size < 0.5 * EACH.vectors.nbytes
    unlearned, exact = ul.forget(RUN, found, [3, 8]), ul.forget(RUN, EACH, [3, 8])
    assert 0 < (unlearned - exact).norm() <= 2**-8 * EACH.vectors[[3, 8]].norm(dim=1).sum()


def test_double_precision_runs_are_stored_as_they_are(store):
    assert read_manifest(store)["dtype"] == "float64"


@pytest.mark.parametrize("device", ["gpu", None, "cuda:99", 3, "meta:x"], ids=str)
def test_a_device_that_there_is_not_is_named(tmp_path, device):
    ul.recollect(RUN, folder=tmp_path)
    with pytest.raises(ValueError, match="device: expected a device of this machine, such as cpu"):
        ul.open_approximators(tmp_path, device=device)
    if device is not None:
        for move in (
            RUN.objective.to,
            RUN.samples.to,
            lambda device: ul.load("wine", device=device),
        ):
            with pytest.raises(ValueError, match="device: expected a device of this machine"):
                move(device=device)


@pytest.mark.parametrize("dtype", ["cpu", torch.int64, "float64"], ids=str)
def test_a_dtype_that_is_none_is_named(dtype):
    for move in (RUN.objective.to, RUN.samples.to, lambda dtype: ul.load("wine", dtype=dtype)):
        with pytest.raises(ValueError, match="dtype: expected a dtype of real numbers"):
            move(dtype)
