"""The deletion service: samples are forgotten online, one request at a time, exactly once each."""

from pathlib import Path
from typing import Any

import numpy as np

from unlearning.base import checks
from unlearning.service import deletion, noise, terms, windows
from unlearning.service.audit import Audit
from unlearning.service.audit import audit as audit_of
from unlearning.service.ledger import Ledger
from unlearning.service.receipt import Receipt
from unlearning.service.store import Store, present

TIMEOUT = 10.0  # seconds


class DeletionService:
    """A folder with a model's weights and approximators, from which samples are deleted online.

    A deletion reads a few rows and adds them to the weights: the result is that of ``ul.forget``
    for all samples deleted so far, bit for bit, in any order and grouping. Then the rows and the
    weights before are erased. Killed at any moment, the store is as before the request or as after
    it (`unlearning.service.windows` has the table), and asking again with the same id settles it.

    Several processes and threads may have the same store open; each call has it for itself.

    Use `create` or `open`, and `close` or a ``with`` block.
    """

    def __init__(self, store: Store):
        self._store = store

    @classmethod
    def create(
        cls,
        folder: str | Path,
        run: Any,
        approximators: Any,
        certificate: Any = None,
        *,
        timeout: float = TIMEOUT,
    ) -> "DeletionService":
        """Make a store, and open it.

        Args:
            folder: empty, or not there yet.
            run: an ``unlearning.Run``.
            approximators: of this run, one for every sample.
            certificate: what covers releases: an object with ``as_dict()``, and ``check(run,
                approximators)`` if it has something to refuse. None: the service is not certified,
                and every receipt says so.
            timeout: seconds that a call waits while another process or thread is at work.

        Raises:
            ValueError: for a wrong argument, by its name.
            OSError: if the system refuses, by the name of the file.
        """
        from unlearning.service import creation  # for those who have tensors

        store = Store(folder, timeout)
        creation.create(store.folder, run, approximators, certificate, store.timeout)
        return cls._opened(store)

    @classmethod
    def open(cls, folder: str | Path, *, timeout: float = TIMEOUT) -> "DeletionService":
        """Open a store; a deletion that was cut off is completed, or has left no trace.

        Args:
            folder: that was given to `create`.
            timeout: seconds that a call waits while another process or thread is at work.

        Raises:
            ValueError: if it is no store, or a file of it is missing or damaged, by its name; if
                another process is at work there for longer than the timeout.
            OSError: if the system refuses, by the name of the file.
        """
        return cls._opened(Store(folder, timeout))

    @classmethod
    def _opened(cls, store: Store) -> "DeletionService":
        with store.held():
            return cls(store)

    def delete(self, samples: Any, *, request: str) -> Receipt:
        """Delete samples, once; a request that was carried out before gives the same receipt.

        Args:
            samples: distinct numbers of samples of the first run.
            request: an id, new for new samples.

        Returns:
            The receipt, after all that the deletion had to erase is erased.

        Raises:
            ValueError: for a sample that is unknown, given twice or already deleted, a request id
                that has been used for other samples, more samples than the certificate covers, all
                that are left, or a damaged file, by its name. Nothing has changed then.
            OSError: if the system refuses, by the name of the file. The deletion is then done or
                has left no trace; asking again with the same id settles which.
        """
        request = deletion.checked_request(request)
        with self._store.held() as ledger:
            numbers = checks.indices("samples", samples, ledger.document("store")["samples"])
            done = deletion.repeated(ledger, request, numbers)
            return done or deletion.delete(self._store.folder, ledger, numbers, request)

    def release(self) -> np.ndarray:
        """The present weights for publishing; with noise if the service is certified.

        The noise is the operating system's, fresh each time and kept nowhere, and the release is
        counted on disk before it is made: cut off, it is lost, and not repeated.

        Returns:
            Shape ``[d]``, in the dtype of the run.

        Raises:
            ValueError: if the certificate covers no further release.
            OSError: if the system refuses, by the name of the file; the release may be counted.
        """
        with self._store.held() as ledger:
            certificate = ledger.document("phase")["certificate"]
            terms.refuse_release(certificate, ledger.document("state"))
            weights = present(self._store.folder, ledger).total
            _count_release(ledger)
            if certificate is not None:
                weights = weights + noise.gaussian(len(weights), certificate["sigma"])
            return weights.astype(ledger.document("store")["dtype"])

    @property
    def weights(self) -> np.ndarray:
        """The present weights without noise, shape ``[d]``, of a service that is not certified.

        Raises:
            ValueError: if the service is certified: its certificate covers noisy releases only.
        """
        with self._store.held() as ledger:
            if ledger.document("phase")["certificate"] is not None:
                given = (
                    "a certified one, whose weights without noise are not covered; use release()"
                )
                checks.fail("weights", "a service that is not certified", given)
            weights = present(self._store.folder, ledger).total
            return weights.astype(ledger.document("store")["dtype"])

    @property
    def deleted(self) -> tuple[int, ...]:
        """The samples deleted so far, rising."""
        with self._store.held() as ledger:
            return tuple(ledger.deleted())

    def go_on_from(self, repaired: Any, certificate: Any = None) -> None:
        """Go on with repaired weights and approximators, and with a capacity of its own.

        What is deleted stays deleted, and request ids stay used. Old rows and weights are wiped.
        Releases made before the repair are not covered by the new certificate.

        Args:
            repaired: an ``unlearning.Repaired``, after the deletion of exactly those samples that
                are deleted here.
            certificate: of the repaired run; None: the service is not certified from now on.

        Raises:
            ValueError: if it is the repair of another run or after another deletion, or the one
                that the store has gone on from already; if the certificate refuses.
            OSError: if the system refuses, by the name of the file. All of it is done or nothing.
        """
        from unlearning.service import creation  # for those who have tensors

        with self._store.held() as ledger:
            creation.go_on(self._store.folder, ledger, repaired, certificate)

    def audit(self) -> Audit:
        """Read every file, and report what is there and what is wrong.

        Others wait meanwhile.

        Raises:
            ValueError: that names the ledger, if it is damaged: nothing can be told without it.
        """
        with self._store.held() as ledger:
            return audit_of(self._store.folder, ledger)

    def close(self) -> None:
        """Close the store; the service cannot be used afterwards."""
        self._store.close()

    def __enter__(self) -> "DeletionService":
        return self

    def __exit__(self, *_) -> None:
        self.close()


def _count_release(ledger: Ledger) -> None:
    state = ledger.document("state")
    sequence, number = state["sequence"] + 1, state["releases"] + 1
    event = {"kind": "release", "sequence": sequence, "number": number, "time": deletion.now()}
    with ledger.transaction():
        ledger.add_event(sequence, None, event)
        ledger.put("state", state | {"sequence": sequence, "releases": number})
    ledger.empty_log()
    windows.reach("counted")
