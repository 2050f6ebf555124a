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
