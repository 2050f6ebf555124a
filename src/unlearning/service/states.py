"""The weights of a store on disk: one file for each state, and never two at rest."""

import hashlib
from pathlib import Path

import numpy as np

from unlearning.base.blocks import Block, write_block
from unlearning.service.files import naming, orphans, state_name, wipe
from unlearning.service.sums import Sum


def write_state(folder: Path, sequence: int, state: Sum) -> dict:
    """Write a state; it is on disk under its name before the return.

    Returns:
        ``file`` and ``crc``, as `read_state` wants them.

    Raises:
        OSError: that names the file.
    """
    path = folder / state_name(sequence)
    with naming(path):
        entry = write_block(path, np.stack([state.total, state.magnitude]), "float64")
    return {key: entry[key] for key in ("file", "crc")}


def replace_state(folder: str | Path, weights: np.ndarray) -> None:
    """Put weights into a folder as a store does: written, flushed, renamed, and the old ones wiped.

    What other ways of unlearning have to do, too, once they have their weights.

    Args:
        folder: an existing one for these states alone; the one before is wiped.
        weights: shape ``[d]``.

    Raises:
        OSError: that names the file.
    """
    folder = Path(folder)
    number = int((folder / state_name(0)).exists())  # 0 and 1 in turn
    write_state(folder, number, Sum.of(weights))
    wipe(folder, orphans(folder, [state_name(number)]))


def read_state(folder: Path, entry: dict) -> Sum:
    """Read a state.

    Raises:
        ValueError: that names the file, if it is missing or its bytes are not those written.
    """
    block = Block(folder / entry["file"], 2, entry["crc"], "float64")
    found = np.empty((2, block.columns))
    block.read(range(2), found)
    return Sum(*found)


def state_hash(key: bytes, state: Sum) -> str:
    """A hash of the weights that only those can compute who have the store's key.

    A plain hash would tell: who knows what the weights would be with and without a sample could
    compare hashes, noise or not.
    """
    return hashlib.blake2b(state.total.tobytes(), key=key, digest_size=32).hexdigest()
