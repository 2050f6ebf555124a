"""Each measurement runs on small sizes, and what is compared computes the same."""

import dataclasses
import importlib
import json
import math
from contextlib import nullcontext

import pytest
import torch

import unlearning as ul
from benchmarks import __main__ as benchmarks
from benchmarks import memory, problems, released
from unlearning.curvature import products
from unlearning.hfocu.recursion import Recursion
from unlearning.hfocu.steps import Rule

# Memory starts processes of its own, and is tried apart.
HERE = sorted(set(benchmarks.KNOWN) - {"memory"})


def numbers(value):
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from numbers(item)
    elif isinstance(value, int | float):
        yield value


@pytest.fixture(autouse=True)
def _small_ceilings(monkeypatch):
    monkeypatch.setattr("benchmarks.clock.GEMM", 64)
    monkeypatch.setattr("benchmarks.clock.COPY", 1024)


@pytest.mark.parametrize("name", HERE)
def test_measurement_runs_and_its_numbers_are_finite(name):
    found = benchmarks.one(name, quick=True, device="cpu")
    assert found["rows"]
    assert found["title"]
    assert all(math.isfinite(x) for x in numbers(json.loads(json.dumps(found))))
    timed = [row for row in found["rows"] if "median_ms" in row]
    assert all(row["least_ms"] <= row["lower_ms"] <= row["median_ms"] for row in timed)
    assert bool(timed) != (name in ("storage", "full_mnist"))


def test_the_command_writes_a_file_and_shows_what_fails(tmp_path, capsys):
    names = ["storage", "nothing"]
    assert benchmarks.run(names, quick=True, device="cpu", folder=tmp_path) == 1
    assert "nothing" in capsys.readouterr().err
    (path,) = tmp_path.iterdir()
    assert path.name == f"cpu-{torch.get_num_threads()}-threads.json"
    kept = json.loads(path.read_text())
    assert list(kept["measurements"]) == ["storage"]
    assert kept["environment"]["threads"] == torch.get_num_threads()
    assert kept["measurements"]["storage"]["commit"]


def test_peak_memory_holds_the_vectors_and_is_below_what_was_counted():
    (mode, *others), sizes = memory.MODES, dataclasses.replace(memory.QUICK, n=400)
    found = memory.elsewhere(mode, sizes, "cpu")
    assert found["rows"] == 400 * 7_850 * 4
    assert found["rows"] < found["peak"] <= found["counted"]
    assert len(others) == 4


def test_the_mode_of_groups_computes_them_one_after_the_other(tmp_path, monkeypatch):
    """And its memory is that of one of them; the chunk is the default where it is the smaller."""
    monkeypatch.setattr(memory.tempfile, "TemporaryDirectory", lambda: nullcontext(tmp_path))
    sizes = dataclasses.replace(memory.QUICK, n=90)
    allowed = memory.counted(memory.GROUPS, sizes, "cpu")["counted"]
    memory._run(memory.GROUPS, sizes, "cpu", allowed)()
    rows = ul.open_approximators(tmp_path / "rows").vectors
    assert rows.shape == (90, 7_850)
    groups = {path.name.split("-")[1] for path in (tmp_path / "rows").glob("rows-*")}
    assert len(groups) == sizes.groups >= 3
    found = memory.elsewhere(memory.GROUPS, dataclasses.replace(sizes, n=1600), "cpu")
    assert found["rows"] == 400 * 7_850 * 4
    assert found["rows"] < found["peak"] <= found["counted"] < 1600 * 7_850 * 4


@pytest.mark.parametrize("mode", memory.MODES)
def test_counted_bytes_of_each_mode(mode):
    found = memory.counted(mode, memory.Sizes(n=100, epochs=2, sets=3, groups=4), "cpu")
    rows = {memory.SETS: 3, memory.GROUPS: 25}.get(mode, 100)
    assert found["rows"] == rows * 7_850 * 4
    assert found["steps"] == 8
    assert found["weights kept"] == (9 * 7_850 * 4 if mode.endswith("in memory") else 0)
    assert found["counted"] > found["rows"]


def test_another_environment_drops_what_was_there(tmp_path):
    where, path = {"device": "cpu", "threads": 1}, tmp_path / "cpu.json"
    benchmarks.add(path, where, "a", {"x": 1 / 3}, quick=True)
    benchmarks.add(path, where, "b", {}, quick=True)
    assert json.loads(path.read_text())["measurements"] == {"a": {"x": 0.333333}, "b": {}}
    benchmarks.add(path, {**where, "threads": 2}, "c", {}, quick=True)
    assert list(json.loads(path.read_text())["measurements"]) == ["c"]


@pytest.mark.parametrize("make", [problems.logistic, problems.cnn])
def test_one_call_per_vector_multiplies_with_the_hessian(make):
    data = problems.images(6)
    objective = make(data)
    point = objective.initial_weights, data.train.inputs, data.train.labels
    vectors = torch.randn(3, objective.dimension)
    found = torch.stack(list(released.hessian_products(objective, *point, vectors)))
    expected = products.at(objective, *point, kernel="generic").multiply(vectors)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_the_released_way_makes_the_step_of_the_recursion():
    data = problems.images(20)
    objective, plan = problems.logistic(data), problems.schedule(5, 1)
    run = ul.train(objective, data.train, plan)
    rule = Rule(objective.l2, None, "R2")
    recursion = Recursion(rule, objective, data.train, run.batches, sets=None, rows=range(20),
                          kernel="generic", chunk=20)  # fmt: skip
    expected, found = recursion.start(), recursion.start()
    for stretch in run.stretches():
        for _ in recursion.advance(expected, stretch):
            pass
    for t, batch in enumerate(run.batches):
        rows = data.train[batch]
        released.step(objective, run.weights_at(t), rows.inputs, rows.labels,
                      run.step_sizes[t], found, batch)  # fmt: skip
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_every_measurement_is_a_script_with_sizes():
    for name in benchmarks.KNOWN:
        module = importlib.import_module(f"benchmarks.{name}")
        assert type(module.FULL) is type(module.QUICK)
        assert module.__doc__
