"""What chapter 13 says in prose about its record, held against the record itself."""

import pandas as pd
import pytest

from unlearning.companion import record

PAPER = record.load("repair-repair")
FRAME = pd.DataFrame(row for row in PAPER["values"] if "accuracy" in row)
R2 = FRAME[FRAME["convention"] == "R2"]
ACCURACY = 100 * R2.groupby(["method", "m", "epochs"])["accuracy"].mean()


def finding(criterion):
    (found,) = (f["mean"] for f in PAPER["findings"] if f["criterion"] == criterion)
    return found


@pytest.mark.parametrize(
    ("m", "by_epochs"), [(300, {1: 3, 5: 1.4, 15: 0.5}), (600, {1: 8, 5: 4.1, 15: 2.6})]
)
def test_accuracy_falls(m, by_epochs):
    for epochs, points in by_epochs.items():
        lost = ACCURACY["HF-OCU", m, 0] - ACCURACY["HF-OCU", m, epochs]
        assert lost == pytest.approx(points, abs=0.5 if points >= 3 and epochs == 1 else 0.1)
    tuned = ACCURACY["fine-tune only", m, 0] - ACCURACY["fine-tune only", m, 5]
    assert tuned == pytest.approx(by_epochs[5], abs=0.2)


def test_there_was_little_to_repair():
    before = ACCURACY.xs(0, level="epochs")
    assert before["HF-OCU"].between(87, 88.5).all()
    assert before["exact retrain", 600] == pytest.approx(85, abs=0.5)
    assert before["exact retrain", 900] == pytest.approx(75, abs=0.5)


def test_distance_and_later_deletions():
    assert finding("repair-share") == pytest.approx(0.21, abs=0.01)
    assert finding("repair-head-start") == pytest.approx(0.73, abs=0.005)
    assert finding("carried-stale") == pytest.approx(0.29, abs=0.005)
    assert finding("carried-stale-large") == pytest.approx(0.45, abs=0.005)


NETWORK = pd.DataFrame(record.load("repair-repair-cnn")["values"])


def of_network(column, kind):
    """The mean over three seeds by method or vector, size and epochs."""
    rows = NETWORK[NETWORK[column].notna() & NETWORK[kind].notna()]
    assert rows["seed"].nunique() == 3
    return rows.groupby([kind, "m", "epochs"])[column].mean()


def test_of_the_network_accuracy_rises_less_than_without_unlearning():
    percent = 100 * of_network("accuracy", "method")
    assert percent["fine-tune only", 600, 0] == pytest.approx(83, abs=0.5)
    assert percent["exact retrain", 600, 0] == pytest.approx(14, abs=0.5)
    for m, said in ((300, (69, 80, 85)), (600, (45, 61, 80))):
        places = ("HF-OCU", m, 0), ("HF-OCU", m, 5), ("fine-tune only", m, 5)
        assert [percent[place] for place in places] == pytest.approx(said, abs=0.5)


def test_of_the_network_the_distance_halves_or_stays():
    far = of_network("target", "method")
    for m, said in ((300, (1.00, 0.46)), (600, (1.68, 1.71))):
        assert [far["HF-OCU", m, n] for n in (0, 5)] == pytest.approx(said, abs=0.006)
    assert far["HF-OCU", 600, 10] / far["HF-OCU", 600, 0] == pytest.approx(0.75, abs=0.02)
    for m, share in ((300, 0.6), (600, 0.75)):
        assert far["HF-OCU", m, 5] / far["fine-tune only", m, 5] == pytest.approx(share, abs=0.01)


def test_of_the_network_a_later_deletion_fails():
    mean = of_network("change", "vector")
    for vector in ("carried", "stale"):
        assert mean[vector, 300, 5] == pytest.approx(0.95, abs=0.006)
    assert mean["stale", 600, 5] == pytest.approx(1.1, abs=0.05)
    late = NETWORK[(NETWORK["m"] == 600) & (NETWORK["epochs"] == 5)]
    for vector, ends in (("carried", (3, 39)), ("repair only", (3, 15))):
        found = late[late["vector"] == vector]["change"]
        assert [found.min(), found.max()] == pytest.approx(ends, abs=0.5)
