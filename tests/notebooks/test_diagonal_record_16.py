"""What chapter 16 says in prose about its recorded run, held against the record."""

from statistics import mean

import pytest

from unlearning.companion import record


def recorded(column, **wanted):
    kept = record.load("diagonal-diagonal-mnist")
    rows = [r for r in kept["values"] if wanted.items() <= r.items() and column in r]
    assert {row["seed"] for row in rows} == {42, 930, 124}
    return [row[column] for row in rows]


def percent(network, way, number, column="top 10%"):
    return 100 * mean(recorded(column, network=network, way=way, number=number))


def test_the_record_comes_from_a_clean_commit():
    assert "+" not in record.load("diagonal-diagonal-mnist")["commit"]


def test_all_exact_ways_agree_in_the_record():
    assert max(recorded("unit vectors") + recorded("one weight")) < 1e-10


@pytest.mark.parametrize("network", ["mlp", "cnn"])
@pytest.mark.parametrize("column", ["top 1%", "top 10%", "smallest 10%"])
def test_gauss_newton_is_exact_for_relu_in_the_record(network, column):
    assert percent(network, "Gauss-Newton", 0, column) == pytest.approx(100)


def test_gauss_newton_and_softplus_in_the_record():
    for column, share in (("top 10%", 92), ("smallest 10%", 74)):
        found = percent("softplus_mlp", "Gauss-Newton", 0, column)
        assert found == pytest.approx(share, abs=0.5)


@pytest.mark.parametrize(
    ("network", "one", "sixteen"), [("mlp", 85, 96), ("cnn", 80, 95), ("softplus_mlp", 85, 91)]
)
def test_drawn_labels_in_the_record(network, one, sixteen):
    assert percent(network, "Fisher", 1) == pytest.approx(one, abs=0.5)
    assert percent(network, "Fisher", 16) == pytest.approx(sixteen, abs=0.5)
    assert percent(network, "empirical Fisher", 0) == pytest.approx(one, abs=2)


@pytest.mark.parametrize("network", ["mlp", "cnn", "softplus_mlp"])
def test_products_in_the_record(network):
    assert percent(network, "Hutchinson", 64) < 50
    assert 56 <= round(percent(network, "XDiag", 64)) <= 64
    for way in ("Hutchinson", "XDiag"):
        for number in (4, 16, 64):
            assert percent(network, way, number, "smallest 10%") < 7.5


def test_dead_weights_in_the_record():
    assert set(recorded("dead", network="mlp") + recorded("dead", network="softplus_mlp")) == {0}
    assert mean(recorded("dead", network="cnn")) / 21840 == pytest.approx(0.03, abs=0.005)
