"""Text from a small grammar, windows of it, and a small LSTM that predicts the next character.

What unintended memorisation is studied on (Carlini et al. 2019; Warnecke et al. 2023), without a
downloaded text: a sentence with a secret number is planted in made-up prose.
"""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from unlearning.base import checks
from unlearning.base.streams import stream
from unlearning.problem.building import seeded
from unlearning.problem.samples import Samples

DIGITS = "0123456789"
ALPHABET = " abcdefghijklmnopqrstuvwxyz" + DIGITS

_WHO = ("alice", "the cat", "the king", "the queen", "a rabbit", "the hatter", "a mouse")
_HOW = ("old", "small", "white", "quiet", "merry", "curious")
_DID = ("saw", "met", "lost", "found", "drew", "kept", "heard")
_WHAT = ("garden", "hat", "door", "key", "song", "teapot", "clock", "rose")


def sentences(count: int, *, seed: int) -> list[str]:
    """Made-up sentences, such as ``the cat found a small key``: no digits, no punctuation.

    Args:
        count: how many.
        seed: of the words.

    Raises:
        ValueError: if the count is not positive.
    """
    generator = stream("sentences", seed)
    return [_sentence(generator) for _ in range(checks.integer("count", count, least=1))]


def planted(lines: Sequence[str], canary: str, repetitions: int, *, seed: int) -> str:
    """One running text: the lines, each followed by a space, and a canary at random places.

    Args:
        lines: sentences.
        canary: a sentence, inserted between two lines or at an end.
        repetitions: how often, at different places.
        seed: of the places.

    Raises:
        ValueError: if there are fewer places than repetitions.
    """
    most = len(lines) + 1
    checks.integer("repetitions", repetitions, least=0, most=most, note=" (places)")
    chosen = set(torch.randperm(most, generator=stream("places", seed))[:repetitions].tolist())
    parts = []
    for place in range(most):
        parts += [canary] * (place in chosen) + list(lines[place : place + 1])
    return "".join(f"{part} " for part in parts)


def windows(text: str, length: int, *, dtype: torch.dtype = torch.float32) -> Samples:
    """Every run of ``length`` characters of a text, with the character after it as the class.

    Args:
        text: characters of ``ALPHABET``, more than ``length`` of them.
        length: of a window.
        dtype: of the inputs.

    Returns:
        Inputs ``[n, length, 37]``, one-hot, and labels ``[n]``, numbers in ``ALPHABET``.

    Raises:
        ValueError: for another character, or a text that is too short.
    """
    codes = encoded(text)
    length = checks.integer("length", length, least=1, most=len(codes) - 1)
    rows = codes.unfold(0, length + 1, 1)
    return Samples(one_hot(rows[:, :-1], dtype=dtype), rows[:, -1].clone())


def encoded(text: str) -> torch.Tensor:
    """The number in ``ALPHABET`` of each character, shape ``[len(text)]``.

    Raises:
        ValueError: for another character.
    """
    strangers = sorted(set(text) - set(ALPHABET))
    if strangers:
        checks.fail("text", f"characters out of {ALPHABET!r}", strangers)
    return torch.tensor([ALPHABET.index(character) for character in text])


def one_hot(codes: torch.Tensor, *, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    """Numbers of characters ``[...]`` as inputs ``[..., 37]``."""
    return functional.one_hot(codes, len(ALPHABET)).to(dtype)


class CharacterLSTM(nn.Module):
    """One LSTM layer over one-hot characters, and a linear head on its last state.

    Written with matrix products, so that every kind of curvature product goes through it. It
    computes what ``nn.LSTM`` and ``nn.Linear`` do (gates in the order input, forget, cell, output),
    with one bias in place of two: d = 4 h (37 + h + 1) + 37 (h + 1).

    Args:
        hidden: h, the size of the state.
        seed: of the weights: uniform up to ``1/sqrt(h)``, as in ``nn.LSTM``.
        dtype: of the weights.

    Raises:
        ValueError: if the size is not positive.
    """

    def __init__(self, hidden: int, *, seed: int = 0, dtype: torch.dtype = torch.float32):
        super().__init__()
        hidden = checks.integer("hidden", hidden, least=1)
        with seeded(seed):
            self.entry = nn.Linear(len(ALPHABET), 4 * hidden, dtype=dtype)
            self.state = nn.Linear(hidden, 4 * hidden, bias=False, dtype=dtype)
            self.head = nn.Linear(hidden, len(ALPHABET), dtype=dtype)
            for parameter in self.parameters():
                nn.init.uniform_(parameter, -(hidden**-0.5), hidden**-0.5)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Scores ``[b, 37]`` of the next character for windows ``[b, length, 37]``."""
        entered = self.entry(inputs)
        output = cell = inputs.new_zeros(len(inputs), self.head.in_features)
        for step in entered.unbind(1):
            gate_in, forget, candidate, gate_out = (step + self.state(output)).chunk(4, dim=1)
            cell = forget.sigmoid() * cell + gate_in.sigmoid() * candidate.tanh()
            output = gate_out.sigmoid() * cell.tanh()
        return self.head(output)


def _sentence(generator: torch.Generator) -> str:
    who, how, did, what = (_pick(words, generator) for words in (_WHO, _HOW, _DID, _WHAT))
    return f"{who} {did} the {how} {what}"


def _pick(words: Sequence[str], generator: torch.Generator) -> str:
    return words[int(torch.randint(len(words), (1,), generator=generator))]
