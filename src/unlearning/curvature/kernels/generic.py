"""Any model: forward-over-reverse automatic differentiation (Pearlmutter 1994)."""

import warnings
from functools import cached_property

import torch
from torch.func import jvp, vmap
from torch.utils._python_dispatch import TorchDispatchMode

from unlearning.curvature.kernels.memory import chunk_within
from unlearning.problem.objective import Objective

# PyTorch scripts its own forward-mode formulas on first use and then warns about having done so.
warnings.filterwarnings("ignore", "`torch.jit.script` is deprecated", FutureWarning)

# Many small operations want large chunks, and fresh memory is slow: measured on several networks.
_CHUNK_BYTES = 3 * 2**25
_LARGEST_CHUNK = 512


class GenericProducts:
    """H v is the directional derivative of the gradient along v, for a chunk of v at once.

    See ``curvature.products.Products``.
    """

    name = "generic"

    def __init__(self, objective: Objective, w, inputs, labels):
        # Forward mode gives every tangent as much room as the STORAGE of its primal: were w a row
        # of a trajectory, each of the K tangents would get room for the whole trajectory.
        self._objective, self._w = objective, w.detach().clone()
        self._inputs, self._labels = inputs, labels

    @property
    def default_chunk(self) -> int:
        """As many vectors as keep their tangents within ``_CHUNK_BYTES``."""
        return chunk_within(_CHUNK_BYTES, self.bytes_per_vector, _LARGEST_CHUNK)

    @cached_property
    def _pass_bytes(self) -> int:
        with torch.no_grad(), _OutputBytes() as forward:
            self._objective.mean_loss(self._w, self._inputs, self._labels)
        return forward.total

    @property
    def bytes_per_vector(self) -> int:
        """Peak temporary bytes per vector: the tangents of a forward and a backward pass."""
        return 3 * self._pass_bytes + 3 * self._w.nbytes

    @property
    def fixed_bytes(self) -> int:
        """Bytes of the base passes, which every chunk repeats."""
        return 2 * self._pass_bytes + 2 * self._w.nbytes

    def multiply(self, vectors: torch.Tensor, *, out: torch.Tensor | None = None) -> torch.Tensor:
        """``H vectors``, ``[K, d]``."""
        products = vmap(lambda v: jvp(self._gradient_at, (self._w,), (v,))[1])(vectors)
        # A zero Hessian comes back as one expanded zero.
        return products.contiguous() if out is None else out.copy_(products)

    def _gradient_at(self, w: torch.Tensor) -> torch.Tensor:
        return self._objective.gradient(w, self._inputs, self._labels)

    def gradient(self) -> torch.Tensor:
        """Mean batch gradient, ``[d]``."""
        return self._objective.gradient_and_loss(self._w, self._inputs, self._labels)[0]

    def sample_gradients(self, positions=None) -> torch.Tensor:
        """Gradient of each sample's own loss, ``[len(positions), d]``."""
        rows = slice(None) if positions is None else positions
        return self._objective.sample_gradients(self._w, self._inputs[rows], self._labels[rows])


class _OutputBytes(TorchDispatchMode):
    """Adds up the size of whatever the operations inside give back."""

    def __init__(self):
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        # A view gives back what it was given.
        given = {tensor.untyped_storage().data_ptr() for tensor in _tensors(args)}
        for tensor in _tensors(result if isinstance(result, tuple | list) else (result,)):
            storage = tensor.untyped_storage()
            self.total += 0 if storage.data_ptr() in given else storage.nbytes()
        return result


def _tensors(values) -> list[torch.Tensor]:
    return [value for value in values if isinstance(value, torch.Tensor)]
