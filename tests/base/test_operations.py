"""Counts against pencil and paper, and against PyTorch's own counter."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from unlearning.base.kept import kept_bytes
from unlearning.base.operations import Operations

A, B = torch.randn(3, 5), torch.randn(5, 7)
SPD = torch.eye(6) * 2


def products(work):
    with Operations() as counted:
        work()
    return counted.products


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        (lambda: A @ B, 2 * 3 * 5 * 7),
        (lambda: torch.mm(A, B, out=torch.empty(3, 7)), 2 * 3 * 5 * 7),
        (lambda: torch.zeros(3, 7).addmm_(A, B), 2 * 3 * 5 * 7),
        (lambda: torch.addmm(torch.zeros(7), A, B), 2 * 3 * 5 * 7),
        (lambda: A.expand(4, 3, 5) @ B.expand(4, 5, 7), 4 * 2 * 3 * 5 * 7),
        (lambda: A @ B[:, 0], 2 * 3 * 5),
        (lambda: A[0] @ B[:, 0], 2 * 5),
        (lambda: torch.linalg.cholesky_ex(SPD), 6**3 // 3),
        (lambda: torch.cholesky_solve(torch.ones(6, 2), SPD), 2 * 2 * 6**2),
        (lambda: A + A, 0),
    ],
)
def test_matrix_products(work, expected):
    assert products(work) == expected


def test_a_network_forward_and_back_as_pytorchs_counter_has_it():
    network = nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Flatten(), nn.Linear(108, 4))
    inputs, labels = torch.randn(5, 1, 8, 8), torch.tensor([0, 1, 2, 3, 0])

    def work():
        nn.functional.cross_entropy(network(inputs), labels).backward()

    with FlopCounterMode(display=False) as expected:
        work()
    assert products(work) == expected.get_total_flops() > 0


def test_other_operations_are_the_numbers_they_touch():
    with Operations() as counted:
        total = A + A  # 15
        total.sum(0)  # reads 15
        total[[0, 2]].clone().view(-1)  # moves and views only
        total.mul_(2.0)  # 15
    assert (counted.others, counted.products) == (45, 0)
    assert counted.by_name["add"] == 1


def test_nothing_is_counted_outside():
    with Operations() as counted:
        pass
    A @ B
    assert counted.products == counted.others == 0


def test_bytes_of_tensors_and_files(tmp_path):
    whole = torch.zeros(10, 4)
    assert kept_bytes(whole) == 160
    assert kept_bytes(whole, whole[2:]) == 160  # one memory
    assert kept_bytes(whole[2:]) == 160  # a part keeps the whole
    assert kept_bytes(whole, torch.zeros(2, dtype=torch.float64)) == 176
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"123")
    (tmp_path / "c").write_bytes(b"12")
    assert kept_bytes(tmp_path) == 5
    assert kept_bytes(tmp_path / "c", whole) == 162


def test_bytes_that_there_is_no_room_for():
    shapes = [torch.empty(size, device="meta") for size in ((10**6, 10**6), (5,))]
    assert kept_bytes(*shapes) == 4 * 10**12 + 20
