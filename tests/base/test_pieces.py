"""Pieces are what a list of tensors would be."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from unlearning.base.pieces import Pieces

CPU = torch.device("cpu")


@given(lists=st.lists(st.lists(st.integers(-(2**62), 2**62), max_size=5), max_size=8))
@settings(max_examples=50, deadline=None)
def test_pieces_are_the_lists_given(lists):
    pieces = Pieces(lists, CPU)
    assert [piece.tolist() for piece in pieces] == lists
    assert len(pieces) == len(lists)


@pytest.mark.parametrize("number", [-1, 2])
def test_there_is_no_piece_beyond_the_last(number):
    with pytest.raises(IndexError):
        Pieces([[1], [2, 3]], CPU)[number]
