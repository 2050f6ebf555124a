"""What a recollection takes of the memory, measured in a process of its own.

The peak is that of the resident pages, libraries included, so it is compared with the budget plus
a slack: a tenth, and what small objects and the pages of newly used code take.
"""

import pytest

from tests.hfocu.measure import SIZES
from tests.hfocu.warm import Warm

MIB = 2**20
SLACK = 4 * MIB
N = SIZES["softmax"]["n"]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """A function that runs one recollection in a fresh child and gives what it reports."""
    with Warm() as warm:

        def run(**arguments):
            arguments["root"] = str(tmp_path_factory.mktemp("run"))
            outcome = warm.call("tests.hfocu.measure:recollection", arguments)
            assert outcome.finished, outcome.error
            return outcome.reports[-1]

        yield run


@pytest.mark.parametrize("kernel", SIZES)
def test_in_groups_it_stays_within_the_budget_and_uses_it(measured, kernel):
    budget = 20 * MIB
    found = measured(kernel=kernel, mode="folder", memory=budget)
    assert not found["error"]
    assert N * found["d"] * 4 > 1.2 * budget  # or there would be one group only
    assert budget / 3 < found["bytes"] < 1.1 * budget + SLACK


@pytest.mark.parametrize("mode", ["in memory", "along", "along in memory"])
def test_all_rows_at_once_stay_within_the_budget_and_use_it(measured, mode):
    budget = 80 * MIB
    found = measured(kernel="softmax", mode=mode, memory=budget)
    assert not found["error"]
    assert budget / 3 < found["bytes"] < 1.1 * budget + SLACK
    assert found["bytes"] > N * found["d"] * 4


def amount(message: str) -> int:
    """The bytes that an error says are needed."""
    number, unit = message.split("at least ")[1].split()[:2]
    return int(float(number) * {"MiB": MIB, "KiB": 1024}[unit]) + 1


@pytest.mark.parametrize("kernel", SIZES)
def test_what_the_message_asks_for_is_enough_and_is_not_exceeded(measured, kernel):
    """One byte is too little; what is then asked for is all that is taken."""
    sets = [[i, i + 1] for i in range(6)]  # with room for one at a time, many would take long
    arguments = {"kernel": kernel, "mode": "in memory", "n": 150, "sets": sets}
    refused = measured(memory=1, **arguments)
    assert refused["seconds"] < 1  # before anything was computed
    assert refused["bytes"] < 2 * SLACK
    assert "memory: expected at least" in refused["error"]
    assert "got 1 B (as given" in refused["error"]
    asked = amount(refused["error"])
    found = measured(memory=asked, **arguments)
    assert not found["error"]
    assert found["bytes"] < 1.1 * asked + SLACK


def test_along_with_training_no_weights_are_kept(measured):
    """Ten times the steps take hardly more, although the weights alone would be 20 MiB."""
    arguments = {"kernel": "softmax", "mode": "along in memory", "n": 40, "batch_size": 4}
    few = measured(steps=50, **arguments)
    many = measured(steps=550, **arguments)
    assert 500 * few["d"] * 4 > 19 * MIB
    assert many["bytes"] < few["bytes"] + 4 * MIB  # which samples each step has, and its tensors
    assert many["bytes"] < (40 + 64) * few["d"] * 4 + 4 * SLACK


def test_sets_take_memory_by_their_number(measured):
    sets = [[1, 5, 77], [2]]
    arguments = {"kernel": "softmax", "mode": "in memory"}
    two = measured(sets=sets, **arguments)
    assert two["bytes"] < measured(**arguments)["bytes"] - (N - 100) * two["d"] * 4


def test_what_is_kept_for_each_step_is_counted(measured):
    """Which samples each step has weighs more, here, than all the vectors."""
    arguments = {"kernel": "softmax", "mode": "in memory", "n": 300, "features": 3}
    arguments["batch_size"] = 4
    few, many = (
        (amount(measured(memory=1, **how)["error"]), measured(**how)["bytes"])
        for how in (arguments | {"steps": 75}, arguments | {"steps": 4500})
    )
    counted, taken = many[0] - few[0], many[1] - few[1]
    assert taken < counted + MIB
    assert counted < 4425 * 1024
