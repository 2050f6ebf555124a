"""Settings: one form of each, and an error that names what is wrong."""

import numpy as np
import pytest
import torch

import unlearning as ul
from tests.cases import cases
from unlearning.hfocu.settings import Settings
from unlearning.hfocu.steps import QUIRKS

FIRST, SECOND, THIRD = QUIRKS
CASE = cases()[0]


@pytest.mark.parametrize(
    "quirks",
    [(FIRST, THIRD), [THIRD, FIRST], (THIRD, FIRST, THIRD), {FIRST, THIRD}, iter((THIRD, FIRST))],
    ids=lambda quirks: type(quirks).__name__,
)
def test_quirks_have_one_order_and_come_once(quirks):
    assert Settings(quirks=quirks).quirks == (FIRST, THIRD)


def test_all_quirks_and_none():
    assert Settings(quirks=reversed(list(QUIRKS))).quirks == tuple(QUIRKS)
    assert Settings(quirks=[]).quirks == Settings().quirks == ()


@pytest.mark.parametrize("quirks", ["extra_factor", None, 3, [["extra_factor"]], [None]])
def test_quirks_that_are_none_are_named(quirks):
    with pytest.raises(ValueError, match="^quirks: expected (a list of names out of|one of) extra"):
        Settings(quirks=quirks)


@pytest.mark.parametrize(
    ("sets", "given"),
    [
        ([3, 14], "3"),
        ([None], "None"),
        ([[1], None], "None"),
        (["12"], "'12'"),
        ([[1], 2.5], "2.5"),
        (5, "5"),
        ("12", "'12'"),
        ({3: 14}, "{3: 14}"),
    ],
)
def test_sets_that_are_no_lists_of_lists_are_named(sets, given):
    with pytest.raises(ValueError) as error:  # noqa: PT011
        Settings(sets=sets)
    assert str(error.value) == f"sets: expected a list of lists of sample numbers, got {given}"


def test_the_order_of_sets_must_be_known():
    for sets in ({(1, 2)}, iter([[1, 2]])):
        with pytest.raises(ValueError, match="^sets: expected a list of lists"):
            Settings(sets=sets)


def test_sets_may_hold_anything_like_a_list():
    sets = [[3], (1, 2), range(2), torch.tensor([4, 0]), iter([5])]
    expected = ((3,), (1, 2), (0, 1), (4, 0), (5,))
    settings = Settings(sets=sets)
    assert settings.checked_sets(6) == expected == settings.checked_sets(6)
    with pytest.raises(ValueError, match="^sets: expected an integer from 0 to 4 .*got 5"):
        settings.checked_sets(5)


def test_settings_by_name():
    assert Settings.of(chunk=3, convention="R1") == Settings(chunk=3, convention="R1")
    known = "sets, convention, quirks, kernel, chunk, memory, folder, storage, save_every, part"
    with pytest.raises(ValueError, match=f"^settings: expected one of {known}, got 'chunks'$"):
        Settings.of(convention="R1", chunks=3)
    with pytest.raises(ValueError, match="^chunk: expected an integer"):
        Settings.of(chunk="3")


@pytest.mark.parametrize("run", [None, "run", torch.zeros(3)], ids=str)
def test_what_is_no_run_is_named(run):
    with pytest.raises(ValueError, match="run: expected an unlearning.Run, as train gives it, got"):
        ul.recollect(run)


def test_sets_may_be_an_array():
    for sets in (np.array([[1, 2], [3, 4]]), torch.tensor([[1, 2], [3, 4]])):
        assert Settings(sets=sets).checked_sets(9) == ((1, 2), (3, 4))


def test_an_unknown_setting_is_named_before_anything_is_done(tmp_path):
    run = CASE.run(clip=False, epochs=1)
    problem = (run.objective, run.samples, run.schedule)
    for verb in (ul.train_and_recollect, lambda *p, **s: ul.recollect_on_ranks(*p, tmp_path, **s)):
        with pytest.raises(ValueError, match="settings: expected one of sets, .* got 'chunks'"):
            verb(*problem, chunks=3)
    assert list(tmp_path.iterdir()) == []
