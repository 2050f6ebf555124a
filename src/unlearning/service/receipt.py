"""Receipts: what a data-protection officer files about a deletion."""

import functools
import json
import platform
import sqlite3
from dataclasses import asdict, dataclass, fields

import numpy as np

COVERS = (
    "Before this receipt was given, the samples' approximators in the store were overwritten with "
    "zeros on disk, the weights from before the deletion were overwritten and removed, and the "
    "samples' influence on the present weights was removed to first order by adding their "
    "approximators. The ledger keeps sample numbers, hashes, times and counts, no sample content."
)
NOT_COVERED = (
    "What physical media, file-system journals, snapshots and backups may still hold; the training "
    "data, the trajectory of the training run, and copies of approximators or weights that are "
    "kept elsewhere; whatever was read or released before this deletion."
)
UNCERTIFIED = (
    "Not certified: how far the present weights are from those of a training run without these "
    "samples is not bounded."
)
CERTIFIED = (
    "Certified for releases with noise of the standard deviation sigma, under the assumptions "
    "listed. The weights without noise, as they lie in the store, and the approximators of the "
    "samples that stay are not covered."
)


@dataclass(frozen=True)
class Receipt:
    """What was done at a request, as plain values.

    Attributes:
        request: its id.
        time: of the commit, UTC, ISO 8601.
        samples: numbers of the deleted samples, rising.
        count: how many.
        store: id of the store.
        sequence: number of this event in the store.
        run: fingerprint of the run that is deleted from.
        convention: what the approximators take retraining to be.
        certified: whether a certificate covers releases.
        guarantee: ``kind``, ``mode``, ``sensitivity``, ``epsilon``, ``delta``, ``sigma`` and
            ``assumptions`` of the certificate; None without one.
        deletions_left: how many samples may still be deleted; None without a limit.
        releases_left: likewise for releases.
        state_before: keyed hash of the weights before; it tells nothing without the store's key.
        state_after: of the weights after.
        versions: of what deleted.
        statements: ``certificate``, ``covers`` and ``does_not_cover``: in plain words.
    """

    request: str
    time: str
    samples: list[int]
    count: int
    store: str
    sequence: int
    run: str
    convention: str
    certified: bool
    guarantee: dict | None
    deletions_left: int | None
    releases_left: int | None
    state_before: str
    state_after: str
    versions: dict[str, str]
    statements: dict[str, str]

    @classmethod
    def from_event(cls, body: dict) -> "Receipt":
        """The receipt that an event of the ledger holds."""
        return cls(**{field.name: body[field.name] for field in fields(cls)})

    def as_dict(self) -> dict:
        """All of it, as plain values."""
        return asdict(self)

    def as_json(self) -> str:
        """All of it, as indented JSON."""
        return json.dumps(self.as_dict(), indent=2)


def guarantee_of(terms: dict | None) -> dict | None:
    """What a receipt says of a certificate."""
    keys = ("kind", "mode", "sensitivity", "epsilon", "delta", "sigma", "assumptions")
    return None if terms is None else {key: terms[key] for key in keys}


def statements(certified: bool) -> dict[str, str]:
    """What a receipt says in plain words."""
    return {
        "certificate": CERTIFIED if certified else UNCERTIFIED,
        "covers": COVERS,
        "does_not_cover": NOT_COVERED,
    }


@functools.cache
def versions() -> dict[str, str]:
    """Of what deletes."""
    from importlib.metadata import version  # slow to import, and needed for a deletion only

    return {
        "unlearning-companion": version("unlearning-companion"),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "sqlite": sqlite3.sqlite_version,
    }
