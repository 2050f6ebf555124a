"""Full float32 on a GPU, unless PyTorch is set to less."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch


@contextmanager
def full_float32() -> Iterator[None]:
    """Inside, convolutions in float32 are not rounded to tf32.

    PyTorch rounds them by default, though not its matrix products. Here both follow one switch,
    that of the matrix products: ``torch.set_float32_matmul_precision("high")`` allows tf32.
    """
    less = torch.get_float32_matmul_precision() != "highest"
    operations = () if less else (torch.backends.cudnn.conv, torch.backends.cudnn.rnn)
    before = [operation.fp32_precision for operation in operations]
    try:
        for operation in operations:
            operation.fp32_precision = "ieee"
        yield
    finally:
        for operation, precision in zip(operations, before, strict=True):
            operation.fp32_precision = precision


def in_full_float32(function: Callable) -> Callable:
    """Decorate a function that runs inside ``full_float32``."""

    @functools.wraps(function)
    def inside(*arguments, **named):
        with full_float32():
            return function(*arguments, **named)

    return inside
