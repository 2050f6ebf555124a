"""Random streams that have nothing to do with each other.

Two generators seeded with the same number give the same digits, even if one makes a secret and the
other the strings that the secret is compared with. So each purpose has a name here, and the seed of
its generator is a hash of the name and the numbers behind it.
"""

import hashlib

import torch

from unlearning.base import checks


def stream(name: str, *numbers: int) -> torch.Generator:
    """A generator of its own for a purpose.

    Its seed is the first 63 bits of the SHA-256 of ``name:number:number...``: far from the small
    numbers that anybody passes to ``torch.manual_seed``.

    Args:
        name: of the purpose, not empty.
        numbers: such as the seed of an experiment and the number of a repetition, not negative.

    Raises:
        ValueError: for an empty name or a number of another kind.
    """
    if not isinstance(name, str) or not name:
        checks.fail("name", "a name", repr(name))
    numbers = [checks.integer("seed", number, least=0) for number in numbers]
    text = ":".join([name, *map(str, numbers)])
    mixed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1
    return torch.Generator().manual_seed(mixed)
