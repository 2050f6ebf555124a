"""The audit of a store: every byte of it is looked at, and what is found is reported."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from unlearning.base.rounding import STORED
from unlearning.service import terms
from unlearning.service.files import LEDGER
from unlearning.service.ledger import Ledger
from unlearning.service.rows import AT_ONCE, ErasableBlock
from unlearning.service.store import files, present, row_files


@dataclass(frozen=True)
class Audit:
    """What a store holds, and what is wrong with it.

    Attributes:
        sound: that nothing is wrong.
        problems: each names the file.
        store: id of the store.
        samples: of the first run.
        deleted: of these, in all.
        requests: of deletion that were carried out.
        repairs: after which the store went on.
        releases: in all.
        certified: whether a certificate covers releases.
        deletions_left: samples that may still be deleted; None without a limit.
        releases_left: likewise.
        strangers: names of files in the folder that are not the store's; they are left alone.
    """

    sound: bool
    problems: list[str]
    store: str
    samples: int
    deleted: int
    requests: int
    repairs: int
    releases: int
    certified: bool
    deletions_left: int | None
    releases_left: int | None
    strangers: list[str]

    def as_dict(self) -> dict:
        """All of it, as plain values."""
        return asdict(self)


def audit(folder: Path, ledger: Ledger) -> Audit:
    """Look at a store that is held.

    Raises:
        ValueError: that names the ledger, if it is damaged: nothing can be told without it.
    """
    ledger.check()
    events = [event for _, event in ledger.events()]
    problems = [*_state(folder, ledger), *_deleted(ledger, events), *_rows(folder, ledger)]
    about, state = ledger.document("store"), ledger.document("state")
    certificate = ledger.document("phase")["certificate"]
    kinds = [event["kind"] for event in events]
    own = {".lock", LEDGER, f"{LEDGER}-wal", f"{LEDGER}-shm", *files(ledger)}
    return Audit(
        sound=not problems,
        problems=problems,
        store=about["id"],
        samples=about["samples"],
        deleted=state["deleted"],
        requests=kinds.count("deletion"),
        repairs=kinds.count("repair"),
        releases=kinds.count("release"),
        certified=certificate is not None,
        deletions_left=terms.deletions_left(certificate, state),
        releases_left=terms.releases_left(certificate, state),
        strangers=sorted(path.name for path in folder.iterdir() if path.name not in own),
    )


def _state(folder: Path, ledger: Ledger) -> Iterator[str]:
    try:
        present(folder, ledger)
    except ValueError as error:
        yield str(error)


def _deleted(ledger: Ledger, events: list[dict]) -> Iterator[str]:
    """Whether the requests and the list of deleted samples say the same."""
    asked = [n for event in events if event["kind"] == "deletion" for n in event["samples"]]
    if sorted(asked) != ledger.deleted():
        yield f"{ledger.path}: the requests and the list of deleted samples differ"


def _rows(folder: Path, ledger: Ledger) -> Iterator[str]:
    """Whether every row is as it was written, or erased if its sample is deleted."""
    rows, deleted = row_files(folder, ledger), set(ledger.deleted())
    for number, entry in enumerate(rows.entries):
        try:
            block = rows.block(number)
        except ValueError as error:
            yield str(error)
            continue
        first, numbers = entry["first"], range(block.rows)
        yield from _read(block, [row for row in numbers if first + row not in deleted], rows.dtype)
        for row in block.not_erased(row for row in numbers if first + row in deleted):
            yield f"{block.path}: row {row} (sample {first + row}) is not erased"


def _read(block: ErasableBlock, numbers: list[int], dtype: str) -> Iterator[str]:
    """What is wrong with rows that must be whole; of several that are read together, the first."""
    for begin in range(0, len(numbers), AT_ONCE):
        piece = numbers[begin : begin + AT_ONCE]
        try:
            block.read(piece, np.empty((len(piece), block.columns), STORED[dtype][0]))
        except ValueError as error:
            yield str(error)
