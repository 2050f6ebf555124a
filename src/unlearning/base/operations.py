"""Operations, counted as they are carried out: nothing here knows a formula for an algorithm.

Every operation that PyTorch carries out passes through ``Operations``, which adds up what it takes.
A multiplication with the addition after it are two operations, as usual.
"""

import math
from collections import Counter

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

#: Operations that move numbers, or make room for them, and compute nothing.
MOVES = frozenset({
    "_efficientzerotensor", "_local_scalar_dense", "_to_copy", "arange", "cat", "clone",
    "copy_", "detach", "empty", "empty_like", "fill_", "full", "gather", "index", "index_fill_",
    "index_put_", "index_select", "lift_fresh", "masked_select", "new_empty", "new_full",
    "new_zeros", "ones", "ones_like", "scalar_tensor", "set_", "stack", "zero_", "zeros",
    "zeros_like",
})  # fmt: skip


class Operations(TorchDispatchMode):
    """While it is entered, counts what tensors are put through.

    What NumPy and SciPy compute passes by unseen: of conjugate gradients, the vector operations of
    the iteration (some ten for each weight), but none of the products.

    Attributes:
        products: operations of matrix products, convolutions, factors and triangular solutions.
        others: numbers that the operations between them read or write, whichever are more; sums,
            comparisons and the like. Views and copies do not count.
        by_name: how often each operation was called.
    """

    def __init__(self):
        super().__init__()
        self.products, self.others = 0, 0
        self.by_name: Counter[str] = Counter()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        """Carry an operation out, and count it."""
        out = func(*args, **(kwargs or {}))
        name = func._overloadpacket.__name__
        self.by_name[name] += 1
        operations = _matrix_operations(func, name.removesuffix("_"), args, kwargs or {}, out)
        if operations is not None:
            self.products += operations
        elif name not in MOVES and not func.is_view:
            self.others += _numbers(args, out)
        return out


def _matrix_operations(func, name: str, args, kwargs, out) -> int | None:
    """Operations of a matrix product or the like; None for anything else."""
    if name in _FACTORS:
        return _FACTORS[name](*(arg.shape for arg in args if isinstance(arg, torch.Tensor)))
    packet = func._overloadpacket
    if packet not in flop_registry:  # in place is counted as out of place
        packet = getattr(torch.ops.aten, name, None)
    if packet not in flop_registry:
        return None
    return int(flop_registry[packet](*args, **kwargs, out_val=out))


def _cholesky(shape) -> int:
    *many, d, _ = shape
    return math.prod(many) * d**3 // 3


def _triangles(right, factor) -> int:
    """Forward and back substitution for each column of the right sides."""
    return 2 * factor[-1] ** 2 * right[-1]


_FACTORS = {
    "mv": lambda matrix, vector: 2 * math.prod(matrix),
    "dot": lambda a, b: 2 * a[0],
    "linalg_cholesky_ex": _cholesky,
    "cholesky_solve": _triangles,
}


def _numbers(args, out) -> int:
    """The largest number of entries among the tensors that go in and come out."""
    outs = out if isinstance(out, list | tuple) else [out]
    return max((t.numel() for t in (*args, *outs) if isinstance(t, torch.Tensor)), default=0)
