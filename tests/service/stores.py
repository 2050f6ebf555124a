"""Stores to try things on, made from real runs; and what they must hold, in integers."""

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch

import unlearning as ul
from unlearning.hfocu.approximators import Approximators


@dataclass
class Origin:
    """A run, dense approximators for it, and a finished store of both that may be copied.

    Attributes:
        run: softmax regression, after a step or two.
        approximators: dense random vectors, as large as the weights.
        folder: of the store.
    """

    run: ul.Run
    approximators: Approximators
    folder: Path

    def copy(self, folder: Path) -> Path:
        """A store of its own with the same content."""
        return shutil.copytree(self.folder, folder)

    def expected(self, deleted) -> np.ndarray:
        """The weights after the deletion of some samples, by ``ul.forget``."""
        if not deleted:
            return self.run.weights.numpy()
        return ul.forget(self.run, self.approximators, list(deleted)).numpy()


def origin(folder: Path, n: int = 40, features: int = 6, dtype=torch.float32) -> Origin:
    """A run on n random samples of two classes, and a store of it."""
    generator = torch.Generator().manual_seed(n)
    inputs = torch.randn(n, features, generator=generator, dtype=dtype)
    samples = ul.Samples(inputs, torch.arange(n) % 2)
    data = ul.Data("random", samples, samples[[0, 1]])
    objective = ul.Objective(ul.models.logistic(data, seed=0), l2=0.1)
    run = ul.train(objective, samples, ul.Schedule(0.1, epochs=1, batch_size=n, seed=0))
    vectors = torch.randn(n, len(run.weights), generator=generator, dtype=dtype) / 8
    approximators = Approximators(vectors, None, "R2", (), run.fingerprint)
    ul.DeletionService.create(folder, run, approximators).close()
    return Origin(run, approximators, folder)


@dataclass(frozen=True)
class Certificate:
    """The least that a service takes for a certificate."""

    mode: str = "many"
    deletions: int = 5
    releases: int = 2
    kind: str = "instance"
    convention: str = "R2"
    sensitivity: float = 0.01
    epsilon: float = 1.0
    delta: float = 1e-5
    sigma: float = 0.25
    fingerprint: str | None = None
    assumptions: list = field(default_factory=lambda: ["convex losses", "an idle clip"])

    def as_dict(self) -> dict:
        return dict(vars(self))

    def but(self, **changes) -> "Certificate":
        return replace(self, **changes)


def bytes_of(folder: Path) -> dict[str, bytes]:
    """Every file of weights and rows, and what the ledger says, to see that nothing changes."""
    from unlearning.service.ledger import Ledger

    found = {path.name: path.read_bytes() for path in folder.glob("*.safetensors")}
    ledger = Ledger(folder)
    for table in ("documents", "events", "deleted"):
        found[table] = repr(ledger._all(f"SELECT * FROM {table}")).encode()
    ledger.close()
    return found
