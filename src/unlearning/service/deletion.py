"""One deletion: its checks, and its steps on disk (`windows` has what each may leave behind)."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from unlearning.base import checks
from unlearning.service import receipt, terms, windows
from unlearning.service.ledger import Ledger
from unlearning.service.receipt import Receipt
from unlearning.service.states import write_state
from unlearning.service.store import complete, hash_of, present, row_files

LONGEST_REQUEST = 200


def now() -> str:
    """The time, UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def checked_request(request: Any) -> str:
    """Return a request id if it is a short printable text.

    Raises:
        ValueError: if it is not.
    """
    wanted = f"a printable text of 1 to {LONGEST_REQUEST} characters"
    checks.instance("request", request, str, wanted)
    if not request.strip() or len(request) > LONGEST_REQUEST or not request.isprintable():
        checks.fail("request", wanted, repr(request[:LONGEST_REQUEST]))
    return request


def repeated(ledger: Ledger, request: str, samples: Sequence[int]) -> Receipt | None:
    """The receipt of a request that was carried out before, None if it was not.

    Raises:
        ValueError: if it was one for other samples.
    """
    event = ledger.event_of(request)
    if event is None:
        return None
    if event["samples"] != sorted(samples):
        given = f"{event['count']} samples then, {len(samples)} others now"
        checks.fail("request", f"an id that is new, or the samples of {request!r}", given)
    return Receipt.from_event(event)


def delete(folder: Path, ledger: Ledger, samples: Sequence[int], request: str) -> Receipt:
    """Delete samples from a store that is held.

    Args:
        folder: of the store.
        ledger: of the store.
        samples: distinct numbers of samples.
        request: a new id.

    Raises:
        ValueError: before anything is written: a sample that is deleted already, more than the
            certificate covers, all that are left, a sum out of its range, a damaged file.
        OSError: if the system refuses, by the name of the file.
    """
    samples = sorted(samples)
    _refuse_deleted(ledger, samples)
    _refuse_too_many(ledger, len(samples))
    old, rows = ledger.document("state"), row_files(folder, ledger)
    after = present(folder, ledger)
    for piece in rows.read(samples):
        after = after.plus(piece)
    blocks = {"blocks": rows.entries_without(samples), "dtype": rows.dtype}
    windows.reach("checked")
    entry = write_state(folder, old["sequence"] + 1, after)
    windows.reach("state written")
    state = _counted(old, len(samples)) | entry | {"hash": hash_of(ledger, after)}
    done = _receipt(ledger, samples, request, old, state)
    with ledger.transaction():
        ledger.add_event(done.sequence, request, {"kind": "deletion"} | vars(done))
        ledger.add_deleted(samples, done.sequence)
        ledger.put("rows", blocks)
        ledger.put("state", state)
    windows.reach("committed")
    complete(folder, ledger, settled=True)
    return done


def _refuse_deleted(ledger: Ledger, samples: Sequence[int]) -> None:
    for sample in samples:
        if ledger.is_deleted(sample):
            gone = f"sample {sample}, which has been deleted"
            checks.fail("samples", "samples that have not been deleted", gone)


def _refuse_too_many(ledger: Ledger, count: int) -> None:
    state, n = ledger.document("state"), ledger.document("store")["samples"]
    terms.refuse_deletion(ledger.document("phase")["certificate"], state, count)
    if state["deleted"] + count == n:
        wanted = f"fewer than the {count} that are left of {n}"
        checks.fail("samples", wanted, f"all {count}: nothing would be left to learn")


def _counted(state: dict, count: int) -> dict:
    """The state's numbers after the deletion of so many more samples."""
    sequence = state["sequence"] + 1
    return state | {
        "sequence": sequence,
        "deleted": state["deleted"] + count,
        "deletions": state["deletions"] + count,
        "erase_pending": sequence,
    }


def _receipt(
    ledger: Ledger, samples: list[int], request: str, before: dict, after: dict
) -> Receipt:
    about, phase = ledger.document("store"), ledger.document("phase")
    certificate = phase["certificate"]
    return Receipt(
        request=request,
        time=now(),
        samples=samples,
        count=len(samples),
        store=about["id"],
        sequence=after["sequence"],
        run=phase["run"],
        convention=phase["convention"],
        certified=certificate is not None,
        guarantee=receipt.guarantee_of(certificate),
        deletions_left=terms.deletions_left(certificate, after),
        releases_left=terms.releases_left(certificate, after),
        state_before=before["hash"],
        state_after=after["hash"],
        versions=receipt.versions(),
        statements=receipt.statements(certificate is not None),
    )
