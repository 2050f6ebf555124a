"""What a store begins with, weights and rows of a run or a repair: tensors become files here."""

import secrets
import uuid
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from unlearning.base import checks, locks
from unlearning.base.durable import flush
from unlearning.base.shards import BLOCK_BYTES, Writer
from unlearning.service import terms, windows
from unlearning.service.deletion import now
from unlearning.service.files import naming, rows_prefix
from unlearning.service.ledger import FORMAT, Ledger
from unlearning.service.rows import RowFiles
from unlearning.service.states import state_hash, write_state
from unlearning.service.store import complete, hash_of
from unlearning.service.sums import Sum


def create(folder: Path, run: Any, approximators: Any, certificate: Any, timeout: float) -> None:
    """Write a new store.

    Args:
        folder: empty, or not there yet.
        run: that is deleted from.
        approximators: of this run, one for every sample.
        certificate: or None.
        timeout: seconds to wait while another process is at work there.

    Raises:
        ValueError: if the folder holds something, or the approximators or the certificate are not
            of this run, one for every sample.
        OSError: if the system refuses, by the name of the file.
    """
    _check(run, approximators)
    certified = terms.accepted(certificate, run, approximators)
    checks.folder("folder", folder)
    with naming(folder), locks.held(folder, wait=timeout):
        found = sorted(path.name for path in folder.iterdir() if path.name != ".lock")
        if found:
            checks.fail("folder", "an empty one, or the path of a new one", f"{folder}: {found[0]}")
        _write(folder, run, approximators, certified)
        for place in (folder, folder.parent):  # SQLite does not flush the name of a new file
            flush(place)


def _write(folder: Path, run: Any, approximators: Any, certified: dict | None) -> None:
    """The files, and last of all what makes them a store: one transaction of the ledger."""
    n, key, weights = len(run.samples), secrets.token_bytes(32), Sum.of(array(run.weights))
    rows = write_rows(folder, 0, approximators.vectors, range(n), n)
    state = write_state(folder, 0, weights) | {"hash": state_hash(key, weights)}
    about = {
        "format": FORMAT,
        "id": str(uuid.uuid4()),
        "key": key.hex(),
        "created": now(),
        "run": run.fingerprint,
        "samples": n,
        "dtype": str(run.weights.dtype).removeprefix("torch."),
    }
    with closing(Ledger(folder, create=True)) as ledger, ledger.transaction():
        ledger.put("store", about)
        ledger.put("phase", _phase(0, run, approximators, certified))
        ledger.put("rows", rows)
        ledger.put("state", state | _zeros(0, 0))


def go_on(folder: Path, ledger: Ledger, repaired: Any, certificate: Any) -> None:
    """Replace the weights and rows of a store by repaired ones. All of it, or nothing.

    Args:
        folder: of the store, which is held.
        ledger: of the store.
        repaired: after the deletion of exactly the samples that are deleted from the store.
        certificate: of the repaired run, or None.

    Raises:
        ValueError: if it is the repair of another run, or after another deletion; or as `create`.
        OSError: if the system refuses, by the name of the file.
    """
    phase, old = ledger.document("phase"), ledger.document("state")
    _check_same(ledger, repaired)
    run, approximators = repaired.run, repaired.approximators
    _check(run, approximators)
    certified = terms.accepted(certificate, run, approximators)
    if run.fingerprint == phase["run"]:
        checks.fail("repaired", "a repair that the store has not gone on from", "the present one")
    number, sequence = phase["number"] + 1, old["sequence"] + 1
    n = ledger.document("store")["samples"]
    rows = write_rows(folder, number, approximators.vectors, repaired.kept, n)
    weights = Sum.of(array(run.weights))
    entry = write_state(folder, sequence, weights) | {"hash": hash_of(ledger, weights)}
    windows.reach("state written")
    new = _phase(number, run, approximators, certified)
    with ledger.transaction():
        ledger.add_event(
            sequence, None, {"kind": "repair", "sequence": sequence, "time": now()} | new
        )
        ledger.put("phase", new)
        ledger.put("rows", rows)
        ledger.put("state", entry | _zeros(sequence, old["deleted"]))
    windows.reach("committed")
    complete(folder, ledger, settled=True)


def write_rows(folder: Path, phase: int, vectors: Any, kept: Sequence[int], n: int) -> dict:
    """Write rows 0 to n - 1: those of the kept samples, and erased ones for all others.

    Args:
        folder: of the store.
        phase: number of repairs before.
        vectors: one row for each kept sample: a tensor, or rows that are read when indexed.
        kept: numbers of the samples, rising.
        n: number of samples.

    Returns:
        ``blocks``, as `RowFiles` takes them, and ``dtype``.
    """
    model = array(vectors[[0]])
    dtype, columns = model.dtype.name, model.shape[1]
    step = max(1, BLOCK_BYTES // (columns * model.itemsize))
    writer = Writer(folder, columns, dtype, prefix=rows_prefix(phase))
    place = np.full(n, -1)
    place[list(kept)] = np.arange(len(kept))
    for first in range(0, n, step):
        wanted = place[first : first + step]
        block = np.zeros((len(wanted), columns), dtype)
        there = wanted >= 0
        if there.any():
            block[there] = array(vectors[wanted[there].tolist()])
        writer.append(block)
    return _without(folder, writer.flush(), dtype, np.flatnonzero(place < 0))


def array(values: Any) -> np.ndarray:
    """A tensor as an array; half precision becomes single, which holds all of it."""
    values = values.detach().cpu()
    return (values.float() if values.element_size() == 2 else values).numpy()


def _without(folder: Path, blocks: list[dict], dtype: str, missing: np.ndarray) -> dict:
    ends = np.cumsum([block["rows"] for block in blocks]).tolist()
    entries = [
        {
            "file": block["file"],
            "first": end - block["rows"],
            "rows": block["rows"],
            "crc": block["crc"],
        }
        for block, end in zip(blocks, ends, strict=True)
    ]
    rows = RowFiles(folder, entries, dtype)
    without = rows.entries_without(missing)
    rows.erase(missing)
    return {"blocks": without, "dtype": dtype}


def _phase(number: int, run: Any, approximators: Any, certified: dict | None) -> dict:
    return {
        "number": number,
        "run": run.fingerprint,
        "convention": approximators.convention,
        "quirks": list(approximators.quirks),
        "certificate": certified,
    }


def _zeros(sequence: int, deleted: int) -> dict:
    """The numbers of a state from which nothing has been deleted or released yet."""
    return {
        "sequence": sequence,
        "deleted": deleted,
        "deletions": 0,
        "releases": 0,
        "erase_pending": None,
    }


def _check(run: Any, approximators: Any) -> None:
    from unlearning.hfocu.approximators import Approximators  # imports PyTorch
    from unlearning.training.trajectory import Run

    checks.instance("run", run, Run, "an unlearning.Run, as train gives it")
    checks.instance("approximators", approximators, Approximators, "those that recollect gives")
    if approximators.fingerprint != run.fingerprint:
        given = f"those of run {approximators.fingerprint}"
        checks.fail("approximators", f"those of this run ({run.fingerprint})", given)
    if approximators.sets is not None:
        checks.fail("approximators", "one for every sample", "one for every set")
    wanted, given = (len(run.samples), len(run.weights)), tuple(approximators.vectors.shape)
    if approximators.first != 0 or given != wanted:
        part = f"{list(given)} from sample {approximators.first} on"
        checks.fail("approximators", f"one for every sample, {list(wanted)}", part)


def _check_same(ledger: Ledger, repaired: Any) -> None:
    """Refuse a repair of another run, or one after another deletion."""
    from unlearning.hfocu.repair import Repaired  # imports PyTorch

    checks.instance("repaired", repaired, Repaired, "what repair gives")
    first = repaired
    while first.before is not None:
        first = first.before
    about = ledger.document("store")
    if first.run.fingerprint != about["run"]:
        checks.fail("repaired", f"a repair of run {about['run']}", f"of {first.run.fingerprint}")
    gone = sorted(set(range(about["samples"])) - set(repaired.kept))
    here = ledger.deleted()
    if gone != here:
        other = min(set(gone) ^ set(here))
        where = "only in the repair" if other in set(gone) else "only here"
        wanted = f"one after the deletion of the same {len(here)} samples"
        checks.fail("repaired", wanted, f"another: sample {other} is deleted {where}")
