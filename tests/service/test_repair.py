"""Going on after a repair: the same folder, ids and history, with other weights and rows."""

import os

import pytest

import unlearning as ul
from tests.service.stores import Certificate, bytes_of
from unlearning.service import windows

SCHEDULE = ul.Schedule(0.05, epochs=1, batch_size=10, seed=1)


@pytest.fixture
def repaired(source):
    return ul.repair(source.run, source.approximators, [3, 14], schedule=SCHEDULE)


def test_it_goes_on_with_the_repaired_approximators(service, repaired, folder):
    first = service.delete([3, 14], request="a")
    service.go_on_from(repaired)
    assert service.weights.tobytes() == repaired.weights.numpy().tobytes()
    after = service.delete([2, 39], request="b")
    assert service.weights.tobytes() == repaired.forget([2, 39]).numpy().tobytes()
    assert after.run == repaired.run.fingerprint != first.run
    assert after.sequence == 3
    assert service.delete([3, 14], request="a") == first
    with pytest.raises(ValueError, match="sample 14, which has been deleted"):
        service.delete([14], request="c")
    found = service.audit()
    assert found.sound
    assert (found.deleted, found.requests, found.repairs) == (4, 2, 1)
    assert sorted(path.name for path in folder.glob("*.safetensors")) == [
        "rows-001-00000.safetensors", "state-00000003.safetensors"]  # fmt: skip


def test_twice(service, repaired):
    service.delete([3, 14], request="a")
    service.go_on_from(repaired)
    service.delete([5], request="b")
    again = repaired.repair([5], schedule=SCHEDULE)
    service.go_on_from(again)
    service.delete([6, 0], request="c")
    assert service.weights.tobytes() == again.forget([0, 6]).numpy().tobytes()
    assert service.audit().sound


def test_without_a_step(service, source):
    service.delete([1], request="a")
    plain = ul.repair(source.run, source.approximators, [1], schedule=None)
    service.go_on_from(plain)
    service.delete([2], request="b")
    assert service.weights.tobytes() == plain.forget([2]).numpy().tobytes()


def test_capacity_is_that_of_the_new_certificate(source, repaired, tmp_path):
    one = Certificate(mode="single", releases=1, deletions=2)
    place = tmp_path / "s"
    with ul.DeletionService.create(place, source.run, source.approximators, one) as service:
        service.delete([3, 14], request="a")
        service.release()
        service.go_on_from(repaired, Certificate(deletions=3, releases=2, fingerprint=None))
        assert service.delete([1], request="b").deletions_left == 2
        service.release()
        service.release()
        with pytest.raises(ValueError, match="at most 2 releases"):
            service.release()
        assert service.audit().releases == 3


def test_another_repair_is_refused_and_changes_nothing(service, source, repaired, folder):
    service.delete([3], request="a")
    before = bytes_of(folder)
    with pytest.raises(ValueError, match="same 1 samples, got another: sample 14 .* the repair"):
        service.go_on_from(repaired)
    service.delete([14, 15], request="b")
    with pytest.raises(ValueError, match="same 3 samples, got another: sample 15 .* only here"):
        service.go_on_from(repaired)
    with pytest.raises(ValueError, match="repaired: expected what repair gives, got Run"):
        service.go_on_from(source.run)
    with pytest.raises(ValueError, match=r"certificate.fingerprint: expected"):
        service.go_on_from(
            ul.repair(source.run, source.approximators, [3, 14, 15], schedule=SCHEDULE),
            Certificate(fingerprint=source.run.fingerprint),
        )
    assert bytes_of(folder).keys() != before.keys()  # only the second deletion
    assert service.deleted == (3, 14, 15)


def test_of_another_run_or_again_is_refused(service, source, repaired):
    other = ul.train(source.run.objective, source.run.samples, ul.Schedule(0.2, epochs=1))
    each = ul.recollect(other)
    service.delete([3, 14], request="a")
    with pytest.raises(ValueError, match="repaired: expected a repair of run"):
        service.go_on_from(ul.repair(other, each, [3, 14], schedule=SCHEDULE))
    service.go_on_from(repaired)
    with pytest.raises(ValueError, match="that the store has not gone on from, got the present"):
        service.go_on_from(repaired)


@pytest.mark.parametrize("window", ["state written", "committed", "overwritten", "unlinked"])
def test_cut_off_it_is_before_or_after(source, repaired, folder, window):
    with ul.DeletionService.open(folder) as service:
        service.delete([3, 14], request="a")
    child = os.fork()
    if child == 0:
        service = ul.DeletionService.open(folder)
        windows.reach = lambda name: os._exit(9) if name == window else None
        service.go_on_from(repaired)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    after = window != "state written"
    with ul.DeletionService.open(folder) as service:
        found = service.audit()
        assert (found.sound, found.repairs) == (True, int(after))
        expected = repaired.weights.numpy() if after else source.expected([3, 14])
        assert service.weights.tobytes() == expected.tobytes()
        assert len(list(folder.glob("*.safetensors*"))) == 2
        service.delete([0], request="b")
