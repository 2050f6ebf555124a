"""The service: equal to `ul.forget` bit for bit, exactly once, and unchanged by what it refuses."""

import json
import os
import random
from datetime import UTC, datetime

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import unlearning as ul
from tests.service.stores import bytes_of, origin
from unlearning.hfocu.approximators import Approximators
from unlearning.service import creation


@settings(max_examples=12, deadline=None)
@given(st.permutations(range(40)), st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_any_order_and_grouping_gives_the_bits_of_forget(source, tmp_path_factory, order, sizes):
    folder = source.copy(tmp_path_factory.mktemp("any") / "store")
    with ul.DeletionService.open(folder) as service:
        deleted = []
        for size in sizes:
            group = order[len(deleted) : len(deleted) + size]
            service.delete(group, request=f"the group of {group[0]}")
            deleted += group
        assert service.weights.dtype == np.float32
        assert service.weights.tobytes() == source.expected(deleted).tobytes()
        assert service.deleted == tuple(sorted(deleted))
        assert service.audit().sound


def test_it_goes_on_after_closing(source, folder):
    for number, samples in enumerate(([5], [7, 1], [30])):
        with ul.DeletionService.open(folder) as service:
            service.delete(samples, request=f"r{number}")
    with ul.DeletionService.open(folder) as service:
        assert service.weights.tobytes() == source.expected([1, 5, 7, 30]).tobytes()


def test_float64_several_blocks_and_numpy_or_torch_numbers(tmp_path, monkeypatch):
    monkeypatch.setattr(creation, "BLOCK_BYTES", 600)
    monkeypatch.setattr(creation.Writer.__init__, "__kwdefaults__", {
        **creation.Writer.__init__.__kwdefaults__, "block_bytes": 600})  # fmt: skip
    made = origin(tmp_path / "s", n=21, dtype=torch.float64)
    assert len(list(made.folder.glob("rows-*"))) > 3
    with ul.DeletionService.open(made.folder) as service:
        service.delete(np.array([20, 0]), request="a")
        service.delete(torch.tensor([11]), request="b")
        assert service.weights.tobytes() == made.expected([0, 11, 20]).tobytes()
        assert service.audit().sound


def test_rows_of_a_recollection_on_disk_serve_too(tmp_path):
    data = ul.load("wine", seed=0, n_train=30)
    run = ul.train(
        ul.Objective(ul.models.logistic(data)), data.train, ul.Schedule(0.1, epochs=2, batch_size=9)
    )
    approximators = ul.recollect(run, folder=tmp_path / "rows", storage="bfloat16")
    with ul.DeletionService.create(tmp_path / "store", run, approximators) as service:
        service.delete([3, 14], request="a")
        assert service.weights.tobytes() == ul.forget(run, approximators, [3, 14]).numpy().tobytes()


def test_the_receipt_says_what_was_done(service):
    earlier = datetime.now(UTC).replace(microsecond=0)
    receipt = service.delete([14, 3], request="r-2026-001")
    assert (receipt.request, receipt.samples, receipt.count) == ("r-2026-001", [3, 14], 2)
    assert earlier <= datetime.fromisoformat(receipt.time) <= datetime.now(UTC)
    assert (receipt.certified, receipt.guarantee) == (False, None)
    assert (receipt.deletions_left, receipt.releases_left) == (None, None)
    assert receipt.statements["certificate"].startswith("Not certified")
    assert set(receipt.versions) == {"unlearning-companion", "python", "numpy", "sqlite"}
    assert json.loads(receipt.as_json()) == receipt.as_dict()
    following = service.delete([7], request="r-2026-002")
    assert (receipt.sequence, following.sequence) == (1, 2)
    assert following.state_before == receipt.state_after != receipt.state_before
    assert following.store == receipt.store


def test_hashes_of_the_same_weights_differ_between_stores(source, tmp_path):
    """Or receipts would tell those who can guess the weights which of two they are."""
    found = []
    for name in "ab":
        folder = tmp_path / name
        with ul.DeletionService.create(folder, source.run, source.approximators) as service:
            found.append(service.delete([1], request="r").state_after)
    assert found[0] != found[1]


def test_a_request_is_carried_out_once(source, folder):
    with ul.DeletionService.open(folder) as service:
        first = service.delete([4, 2], request="r")
        service.delete([9], request="s")
        again = bytes_of(folder)
        assert service.delete([2, 4], request="r") == first
    with ul.DeletionService.open(folder) as service:
        assert service.delete([4, 2], request="r") == first
        with pytest.raises(ValueError, match="request: expected an id that is new, or the samples"):
            service.delete([4], request="r")
        assert service.weights.tobytes() == source.expected([2, 4, 9]).tobytes()
    assert bytes_of(folder) == again


REFUSED = {
    "unknown": ([1, 40], "samples: expected an integer from 0 to 39 .a sample., got 40"),
    "negative": ([-1], "got -1"),
    "fractional": ([1.5], "got 1.5"),
    "twice": ([1, 1], "samples: expected each sample once, got sample 1 more than once"),
    "deleted": ([1, 3], "samples: expected samples that have not been deleted, got sample 3"),
    "none": ([], "at least one sample"),
    "no list": (3, "a list of sample numbers"),
    "all that are left": ([n for n in range(40) if n != 3], "nothing would be left to learn"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_is_refused_changes_nothing(service, folder, why):
    service.delete([3], request="before")
    before = bytes_of(folder)
    samples, message = REFUSED[why]
    with pytest.raises(ValueError, match=message):
        service.delete(samples, request="r")
    assert bytes_of(folder) == before
    service.delete([1], request="r")  # neither the id nor the valid sample beside it is used up


@pytest.mark.parametrize("request_id", ["", "  ", "a\nb", "x" * 201, 7, None, b"r"])
def test_request_ids_are_short_printable_texts(service, request_id):
    with pytest.raises(ValueError, match="request: expected a printable text"):
        service.delete([1], request=request_id)


def test_request_ids_of_all_languages(service):
    assert service.delete([1], request="löschen № 1 削除").request == "löschen № 1 削除"
    assert service.delete([1], request="löschen № 1 削除").sequence == 1


def test_a_sum_out_of_range_is_refused_and_changes_nothing(tmp_path, source):
    vectors = source.approximators.vectors.clone()
    vectors[5], vectors[6, 0] = 3000.0, float("nan")
    wrong = Approximators(vectors, None, "R2", (), source.run.fingerprint)
    with ul.DeletionService.create(tmp_path / "s", source.run, wrong) as service:
        before = bytes_of(tmp_path / "s")
        for bad in (6, 7):
            vectors[7] = -2000.0
            with pytest.raises(ValueError, match="magnitudes below 4096"):
                service.delete([5, 7, 6] if bad == 7 else [6], request="r")
        assert bytes_of(tmp_path / "s") == before
        service.delete([5], request="r")


def test_creation_refuses_what_does_not_belong_together(tmp_path, source):
    run, each, place = source.run, source.approximators, tmp_path / "s"

    def but(**changes):
        return Approximators(**{**vars(each), **changes})

    wrong = {
        "approximators: expected those of this run": but(fingerprint="0"),
        "approximators: expected one for every sample, got one for every set": but(sets=((1,),)),
        "approximators: expected one for every sample, .40, 14.": but(vectors=each.vectors[:9]),
        "from sample 3 on": but(first=3),
        "approximators: expected those that recollect gives": each.vectors,
    }
    for message, approximators in wrong.items():
        with pytest.raises(ValueError, match=message):
            ul.DeletionService.create(place, run, approximators)
    with pytest.raises(ValueError, match=r"run: expected an unlearning.Run"):
        ul.DeletionService.create(place, 3, each)
    assert not place.exists()
    (place / "x").mkdir(parents=True)
    with pytest.raises(ValueError, match="folder: expected an empty one"):
        ul.DeletionService.create(place, run, each)


def test_a_store_is_not_overwritten(source, folder):
    with pytest.raises(ValueError, match="folder: expected an empty one"):
        ul.DeletionService.create(folder, source.run, source.approximators)


@pytest.mark.parametrize("place", ["nothing", "."])
def test_a_folder_that_is_no_store_is_refused_and_left_alone(tmp_path, place):
    with pytest.raises(ValueError, match=r"expected a store of a deletion service, got no ledger"):
        ul.DeletionService.open(tmp_path / place)
    assert os.listdir(tmp_path) == []


def test_a_closed_service_and_a_fork_of_one_are_refused(service):
    child = os.fork()
    if child == 0:
        try:
            service.delete([1], request="r")
        except ValueError as error:
            os._exit(7 if "a fork of it" in str(error) else 1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    service.close()
    service.close()
    with pytest.raises(ValueError, match="service: expected one that is open"):
        service.delete([1], request="r")


def test_files_of_others_in_the_folder_are_left_alone(folder):
    (folder / "README.txt").write_text("mine")
    with ul.DeletionService.open(folder) as service:
        service.delete([1], request="r")
        assert service.audit().strangers == ["README.txt"]
    assert (folder / "README.txt").read_text() == "mine"


def test_releases_of_an_uncertified_service_are_its_weights(source, service):
    service.delete([3], request="r")
    for _ in range(3):
        assert service.release().tobytes() == source.expected([3]).tobytes()
    assert service.audit().releases == 3
    service.delete(random.Random(0).sample(range(4, 40), 9), request="s")
