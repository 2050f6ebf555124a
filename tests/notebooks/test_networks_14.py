"""What chapter 14 says in prose about its recorded networks, held against their records."""

import pandas as pd
import pytest

from unlearning.companion import record

KEPT = {
    name: record.load(f"other-data-sets-{name}")
    for name in ("fashion-cnn", "fashion-lenet", "resnet18-cifar10-reduced")
}


def distances(name, convention="R2"):
    """Distances of a record: methods by size and seed."""
    frame = pd.DataFrame(row for row in KEPT[name]["values"] if "distance" in row)
    frame = frame[frame["convention"] == convention]
    return frame.pivot(index=["m", "seed"], columns="method", values="distance")


def shares(name, convention="R2"):
    """HF-OCU's distance as a share of that of doing nothing."""
    wide = distances(name, convention)
    return wide["HF-OCU"] / wide["do nothing"]


@pytest.mark.parametrize("name", KEPT)
def test_records_were_made_from_a_clean_commit(name):
    assert "+" not in KEPT[name]["commit"]
    seeds = [42, 930, 124] if "resnet" in name else [42]
    assert KEPT[name]["parameters"]["seeds"] == seeds


def test_the_convolutional_network_on_fashion_images():
    assert shares("fashion-cnn").tolist() == pytest.approx([1.02, 0.95, 1.08], abs=0.005)
    wide = distances("fashion-cnn").loc[400, 42]
    gain = wide["do nothing"] - wide["HF-OCU"]
    assert gain / wide["perturbation floor"] == pytest.approx(0.25, abs=0.02)


def test_lenet_on_fashion_images():
    assert shares("fashion-lenet").tolist() == pytest.approx([1.12, 1.47, 1.58], abs=0.005)
    wide = distances("fashion-lenet").loc[40, 42]
    assert wide["perturbation floor"] == pytest.approx(0.54, abs=0.005)
    assert wide["perturbation floor"] > wide["do nothing"]


def test_the_reduced_resnet():
    name = "resnet18-cifar10-reduced"
    undone = (1 - shares(name)).groupby("m")
    assert undone.min().tolist() == pytest.approx([0.03, 0.26], abs=0.005)
    assert undone.max().tolist() == pytest.approx([0.08, 0.35], abs=0.005)
    wide = distances(name)
    floor = wide["perturbation floor"]
    assert floor.min() > 0.03
    assert floor.max() < 0.04
    of_nothing = (floor / wide["do nothing"]).groupby("m").mean()
    assert of_nothing.tolist() == pytest.approx([0.8, 0.4], abs=0.03)
    assert (wide["do nothing"] - wide["HF-OCU"] < floor).all()
