"""Streams of random numbers: repeatable, and apart from each other and from plain seeds."""

import pytest
import torch

from unlearning.base.streams import stream


def drawn(generator):
    return torch.rand(8, generator=generator).tolist()


def test_the_seed_is_a_hash_of_name_and_numbers():
    # printf 'secret:42' | sha256sum
    digest = 0xFBA255D0152D58B7
    assert stream("secret", 42).initial_seed() == digest >> 1


def test_streams_repeat_and_stay_apart():
    assert drawn(stream("secret", 42)) == drawn(stream("secret", 42))
    plain = [torch.Generator().manual_seed(42)]
    names = [("secret", 42), ("noise", 42), ("secret", 43), ("secret", 4, 2), ("secret", 42, 0)]
    found = [drawn(one) for one in plain + [stream(*name) for name in names]]
    assert len(set(map(tuple, found))) == len(found)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (("", 1), "name: expected a name"),
        ((3, 1), "name: expected a name, got 3"),
        (("secret", -1), "seed: expected an integer of at least 0, got -1"),
        (("secret", 0.5), "seed: expected an integer of at least 0, got 0.5"),
    ],
)
def test_refused(name, message):
    with pytest.raises(ValueError, match=message):
        stream(*name)
