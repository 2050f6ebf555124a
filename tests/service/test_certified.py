"""A certified service: its limits, its noise, and what it does not hand out."""

import numpy as np
import pytest

import unlearning as ul
from tests.service.stores import Certificate, bytes_of
from unlearning.service import noise, windows


@pytest.fixture
def make(source, tmp_path):
    """Makes a service with some certificate."""
    opened = []

    def create(certificate):
        place = tmp_path / f"certified-{len(opened)}"
        opened.append(
            ul.DeletionService.create(place, source.run, source.approximators, certificate)
        )
        return opened[-1]

    yield create
    for service in opened:
        service.close()


def test_no_more_deletions_than_certified(make):
    service = make(Certificate(deletions=5))
    assert service.delete([1, 2], request="a").deletions_left == 3
    with pytest.raises(
        ValueError, match=r"at most 3 .*covers 5 deletions.*got 4; repair and go on"
    ):
        service.delete([3, 4, 5, 6], request="b")
    assert service.delete([3, 4, 5], request="b").deletions_left == 0
    with pytest.raises(ValueError, match=r"samples: expected at most 0 .*got 1; repair"):
        service.delete([6], request="c")
    assert service.delete([2, 1], request="a").deletions_left == 3  # its receipt, once more


def test_many_releases_have_fresh_noise_each_and_then_no_more(make, source):
    service = make(Certificate(releases=3, sigma=0.25))
    service.delete([1], request="a")
    releases = [service.release() for _ in range(2)]
    assert service.delete([2], request="b").releases_left == 1
    releases.append(service.release())
    noises = [w - source.expected([1]) for w in releases[:2]] + [
        releases[2] - source.expected([1, 2])
    ]
    assert {w.dtype for w in releases} == {np.dtype("float32")}
    assert len({w.tobytes() for w in noises}) == 3
    # 42 values: outside of these the standard deviation is once in a million times.
    assert 0.25 / 2 < np.std(noises) < 0.25 * 1.7
    with pytest.raises(ValueError, match=r"release: expected at most 3 releases.*repair and go on"):
        service.release()


def test_noise_is_never_written_back(make, source):
    service = make(Certificate(sigma=100.0, releases=2))
    service.release()
    state = next(service._store.folder.glob("state-*"))
    stored = np.frombuffer(state.read_bytes()[-2 * 8 * 14 - 8 : -14 * 8 - 8])
    assert np.abs(stored - source.run.weights.numpy()).max() < 1e-6


def test_a_single_release_closes_the_service(make):
    service = make(Certificate(mode="single", releases=1))
    assert service.delete([1], request="a").releases_left == 1
    service.release()
    with pytest.raises(ValueError, match=r"release: expected at most 1 release.*repair and go on"):
        service.release()
    with pytest.raises(ValueError, match=r"samples: expected none: the one release has been made"):
        service.delete([2], request="b")
    assert service.delete([1], request="a").releases_left == 1
    assert service.audit().deletions_left == 0


def test_weights_without_noise_are_not_handed_out(make):
    with pytest.raises(ValueError, match=r"weights: .*not covered; use release\(\)"):
        make(Certificate()).weights  # noqa: B018


def test_a_release_is_counted_before_its_noise_is_drawn(make, monkeypatch):
    """And an interrupted one is lost, not repeated: no noise is drawn twice for one count."""
    service = make(Certificate(releases=2))
    events = []
    monkeypatch.setattr(windows, "reach", events.append)
    monkeypatch.setattr(noise, "gaussian", lambda *_: events.append("noise") or _stop())
    with pytest.raises(KeyboardInterrupt):
        service.release()
    assert events == ["emptied", "counted", "noise"]
    monkeypatch.undo()
    service.release()
    with pytest.raises(ValueError, match="release: expected at most 2 releases"):
        service.release()


def _stop():
    raise KeyboardInterrupt


def test_the_receipt_carries_the_guarantee(make):
    certificate = Certificate(kind="public", deletions=4, releases=3)
    receipt = make(certificate).delete([1], request="a")
    keys = ("kind", "mode", "sensitivity", "epsilon", "delta", "sigma", "assumptions")
    assert receipt.certified
    assert receipt.guarantee == {key: certificate.as_dict()[key] for key in keys}
    assert (receipt.deletions_left, receipt.releases_left) == (3, 3)
    assert receipt.statements["certificate"].startswith("Certified")


def test_the_certificate_is_asked_whether_it_fits(make, source):
    class Choosy(Certificate):
        def check(self, run, approximators):
            assert (run, approximators) == (source.run, source.approximators)
            raise ValueError("clip: expected an idle one")

    with pytest.raises(ValueError, match="clip: expected an idle one"):
        make(Choosy())


WRONG = {
    "kind": "quantile",
    "mode": "ever",
    "convention": "R1",
    "deletions": 0,
    "releases": 1.5,
    "sensitivity": 0.0,
    "epsilon": -1.0,
    "delta": 1.0,
    "sigma": None,
    "fingerprint": "another",
    "assumptions": None,
}


@pytest.mark.parametrize("key", WRONG)
def test_what_is_no_certificate_of_this_run_is_refused(make, key):
    with pytest.raises(ValueError, match=f"certificate.{key}: expected .*of this run"):
        make(Certificate().but(**{key: WRONG[key]}))


def test_more_refusals(make, source):
    with pytest.raises(ValueError, match="certificate.releases: expected an integer from 1 to 1"):
        make(Certificate(mode="single", releases=2))
    with pytest.raises(ValueError, match="certificate: expected one of plain, finite values"):
        make(Certificate(sigma=float("inf")))
    with pytest.raises(ValueError, match="certificate: expected a certificate, or None, got dict"):
        make({"kind": "public"})
    make(Certificate(fingerprint=source.run.fingerprint))


def test_limits_hold_after_opening_again(make, source):
    service = make(Certificate(deletions=2, mode="single", releases=1))
    service.delete([1], request="a")
    service.release()
    service.close()
    with ul.DeletionService.open(service._store.folder) as again:
        before = bytes_of(service._store.folder)
        for refused in (again.release, lambda: again.delete([2], request="b")):
            with pytest.raises(ValueError, match="repair and go on"):
                refused()
        assert bytes_of(service._store.folder) == before
