"""A file that is damaged, cut short, missing or another: named, and nothing is deleted by it."""

import random
import shutil

import pytest

import unlearning as ul
from unlearning.service.ledger import Ledger

FILES = ("state", "rows", "ledger")


@pytest.fixture
def path_of(folder):
    """The file of each kind, in a store from which samples 3 and 4 were deleted."""
    with ul.DeletionService.open(folder) as service:
        service.delete([3, 4], request="a")
    return lambda name: next(folder.glob(f"{name}*"))


NOT_WHOLE = [(name, how) for name in FILES for how in ("missing", "empty", "half", "another")]
# SQLite never reads what stands behind its last page, so for the ledger that is no damage.
NOT_WHOLE += [(name, "longer") for name in FILES if name != "ledger"]


@pytest.mark.parametrize(("name", "how"), NOT_WHOLE)
def test_a_file_that_is_not_whole_is_named(folder, path_of, name, how):
    path = path_of(name)
    whole = path.read_bytes()
    new = {"missing": None, "empty": b"", "half": whole[: len(whole) // 2],
           "longer": whole + b"more", "another": bytes(reversed(whole))}[how]  # fmt: skip
    path.unlink()
    if new is not None:
        path.write_bytes(new)
    with pytest.raises(ValueError, match=path.name):
        ul.DeletionService.open(folder)
    if new is not None:
        assert path.read_bytes() == new


@pytest.mark.parametrize("name", FILES)
def test_a_changed_byte_is_found_and_named_or_changes_nothing(source, folder, path_of, name):
    path, rng = path_of(name), random.Random(name)
    whole = path.read_bytes()
    expected, kept = source.expected([3, 4]).tobytes(), [n for n in range(40) if n not in (3, 4)]
    reported, named = 0, []
    # Most of a small ledger is unused space, which SQLite fills with zeros.
    telling = [n for n in range(len(whole)) if whole[n] or name != "ledger"]
    for place in rng.sample(telling, 60):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1 << rng.randrange(8)])
                         + whole[place + 1 :])  # fmt: skip
        for extra in folder.glob("ledger.sqlite-*"):
            extra.unlink()
        try:
            with ul.DeletionService.open(folder) as service:
                found = service.audit()
                assert service.weights.tobytes() == expected
                assert service.deleted == (3, 4)
                assert found.sound or path.name in found.problems[0]
                reported += not found.sound
        except ValueError as error:
            named.append(path.name in str(error))
    assert all(named)
    assert reported + len(named) > (45 if name == "ledger" else 55)
    path.write_bytes(whole)
    with ul.DeletionService.open(folder) as service:
        service.delete(kept[:5], request="b")


def test_a_damaged_row_is_found_when_it_is_read_and_nothing_changes(source, folder):
    path = next(folder.glob("rows*"))
    content = bytearray(path.read_bytes())
    row = source.approximators.vectors[7].numpy().tobytes()
    content[content.index(row) + 5] ^= 4
    path.write_bytes(content)
    with ul.DeletionService.open(folder) as service:
        assert not service.audit().sound
        with pytest.raises(ValueError, match=f"{path.name}: expected row 7 as it was written"):
            service.delete([6, 7], request="r")
        assert service.deleted == ()
        service.delete([6], request="r")
        assert service.weights.tobytes() == source.expected([6]).tobytes()


@pytest.mark.parametrize("kept", ["ledger", "rows", "state"])
def test_a_file_from_before_the_last_deletion_is_refused(source, folder, tmp_path, kept):
    """As after restoring one file from a backup."""
    with ul.DeletionService.open(folder) as service:
        service.delete([1], request="a")
    old = shutil.copytree(folder, tmp_path / "old")
    with ul.DeletionService.open(folder) as service:
        service.delete([2], request="b")
    for path in old.glob(f"{kept}*"):
        shutil.copy(path, folder / path.name)
    if kept == "state":  # it is an orphan and is wiped: nothing refers to it
        with ul.DeletionService.open(folder) as service:
            assert service.audit().sound
            assert service.weights.tobytes() == source.expected([1, 2]).tobytes()
        assert len(list(folder.glob("state*"))) == 1
        return
    with pytest.raises(ValueError, match=r"state-0+1\.safetensors|rows-000"):
        ul.DeletionService.open(folder)


def test_an_erased_row_that_came_back_is_reported(source, folder):
    path = next(folder.glob("rows*"))
    row = source.approximators.vectors[3].numpy().tobytes()
    at = path.read_bytes().index(row)
    with ul.DeletionService.open(folder) as service:
        service.delete([3], request="a")
    content = bytearray(path.read_bytes())
    content[at : at + len(row)] = row
    path.write_bytes(content)
    with ul.DeletionService.open(folder) as service:
        assert [p.split(": ")[1] for p in service.audit().problems] == [
            "row 3 (sample 3) is not erased"]  # fmt: skip


def test_a_list_that_contradicts_the_requests_is_reported(folder):
    with ul.DeletionService.open(folder) as service:
        service.delete([3], request="a")
    ledger = Ledger(folder)
    with ledger.transaction():
        ledger._base.execute("DELETE FROM deleted")
        ledger.add_deleted([4], 1)
    ledger.close()
    with ul.DeletionService.open(folder) as service:
        found = service.audit()
        assert not found.sound
        assert any(
            "the requests and the list of deleted samples differ" in p for p in found.problems
        )
