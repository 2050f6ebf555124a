"""Text, windows, and the small LSTM against PyTorch's own."""

import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional

import unlearning as ul
from unlearning.problem import characters
from unlearning.problem.characters import ALPHABET, CharacterLSTM

CANARY = "my number is 0123 said alice"


def test_sentences_repeat_with_their_seed_and_hold_no_digit():
    lines = characters.sentences(40, seed=3)
    assert len(lines) == 40
    assert lines == characters.sentences(40, seed=3) != characters.sentences(40, seed=4)
    assert not set("".join(lines)) & set(characters.DIGITS)
    assert all(len(line.split()) >= 5 and line == line.strip() for line in lines)


@pytest.mark.parametrize("repetitions", [0, 1, 5, 11])
def test_the_canary_is_planted_so_many_times_and_the_lines_keep_their_order(repetitions):
    lines = characters.sentences(10, seed=1)
    text = characters.planted(lines, CANARY, repetitions, seed=2)
    assert text.count(CANARY) == repetitions
    assert text.replace(CANARY + " ", "") == " ".join(lines) + " "


def test_a_window_reads_as_the_text_does():
    text = characters.planted(characters.sentences(3, seed=1), CANARY, 1, seed=2)
    samples = characters.windows(text, 5)
    assert samples.inputs.shape == (len(text) - 5, 5, 37)
    for i in (0, 7, len(samples) - 1):
        codes = [*samples.inputs[i].argmax(1).tolist(), int(samples.labels[i])]
        assert "".join(ALPHABET[code] for code in codes) == text[i : i + 6]
    assert bool((samples.inputs.sum(2) == 1).all())


def torch_lstm(model):
    """PyTorch's layer with the same weights."""
    hidden = model.head.in_features
    layer = nn.LSTM(len(ALPHABET), hidden, batch_first=True, dtype=torch.float64)
    with torch.no_grad():
        layer.weight_ih_l0.copy_(model.entry.weight)
        layer.weight_hh_l0.copy_(model.state.weight)
        layer.bias_ih_l0.copy_(model.entry.bias)
        layer.bias_hh_l0.zero_()
    return layer


def test_it_computes_what_pytorchs_lstm_does():
    model = CharacterLSTM(5, seed=2, dtype=torch.float64)
    inputs = torch.randn(4, 7, 37, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    states, _ = torch_lstm(model)(inputs)
    expected = model.head(states[:, -1])
    torch.testing.assert_close(model(inputs), expected, rtol=0, atol=1e-12)


def test_its_size_and_its_seed():
    model = CharacterLSTM(5, seed=2)
    assert sum(p.numel() for p in model.parameters()) == 4 * 5 * (37 + 5 + 1) + 37 * 6
    same, other = CharacterLSTM(5, seed=2), CharacterLSTM(5, seed=3)
    assert torch.equal(model.state.weight, same.state.weight)
    assert not torch.equal(model.state.weight, other.state.weight)
    assert max(float(p.detach().abs().max()) for p in model.parameters()) <= 5**-0.5


def test_curvature_products_go_through_it():
    """Hessian and Gauss-Newton matrix by plain reverse mode, written out."""
    text = characters.planted(characters.sentences(2, seed=1), CANARY, 1, seed=2)
    samples = characters.windows(text, 4, dtype=torch.float64)[list(range(12))]
    objective = ul.Objective(CharacterLSTM(1, seed=1, dtype=torch.float64))
    w = 3 * objective.initial_weights
    v = torch.randn(len(w), dtype=torch.float64, generator=torch.Generator().manual_seed(1))

    def loss(w):
        scores = functional_call(objective.architecture, objective.unflatten(w), (samples.inputs,))
        return functional.cross_entropy(scores, samples.labels)

    expected = torch.autograd.functional.hvp(loss, w, v)[1]
    found = ul.hessian_vector_products(objective, w, samples.inputs, samples.labels, v[None])[0]
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: characters.sentences(0, seed=1), "count: expected an integer of at least 1"),
        (lambda: characters.planted(["a"], "b", 3, seed=1), "repetitions: expected an integer"),
        (lambda: characters.windows("abc", 3), "length: expected an integer from 1 to 2"),
        (lambda: characters.windows("Abc", 1), r"text: expected characters .* got \['A'\]"),
        (lambda: CharacterLSTM(0), "hidden: expected an integer of at least 1"),
    ],
)
def test_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
