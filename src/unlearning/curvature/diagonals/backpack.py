"""Chains of known layers: diagonals layer by layer on the way back, by BackPACK (Dangel 2020).

BackPACK hangs hooks on the module that it treats. So it gets a new chain of copies of the layers,
each of its own, and nothing of the reader's module is touched.
"""

import copy
import itertools
import warnings

import torch
from backpack import backpack, extend
from backpack.extensions import SumGradSquared
from torch import nn

from unlearning.curvature.diagonals import extensions
from unlearning.curvature.diagonals.labels import Labels
from unlearning.curvature.diagonals.task import Found, Task
from unlearning.curvature.kernels.chain import UnfitError, chain
from unlearning.problem.objective import Objective

_CURVED = (nn.Tanh, nn.Sigmoid, nn.Softplus)
_LAYERS = (nn.Linear, nn.Conv2d, nn.Flatten, nn.MaxPool2d, nn.AvgPool2d, nn.ReLU, nn.LeakyReLU)
# In eval mode they do nothing.
_IDLE = (nn.Identity, nn.Dropout)
# What BackPACK is asked for by each method, and the name under which it leaves it.
_EXTENSIONS = {
    "hessian": (extensions.diag_hessian, "diag_h"),
    "ggn": (extensions.diag_ggn, "diag_ggn_exact"),
    "fisher": (SumGradSquared, "sum_grad_squared"),
    "empirical_fisher": (SumGradSquared, "sum_grad_squared"),
}


def check(objective: Objective, method: str) -> None:
    """Refuse every model but a chain of layers whose formulas are checked here.

    Raises:
        UnfitError: naming what else there is.
    """
    for _, layer in chain(objective):
        if type(layer) not in _LAYERS + _CURVED + _IDLE:
            raise UnfitError(f"a layer {type(layer).__name__}")
        if type(layer) is nn.Flatten and (layer.start_dim, layer.end_dim) != (1, -1):
            raise UnfitError(f"a layer {layer}")
        if type(layer) is nn.Conv2d and (
            isinstance(layer.padding, str) or layer.padding_mode != "zeros"
        ):
            raise UnfitError(f"a layer {layer}")


def compute(task: Task) -> Found:
    """The diagonal, in one pass over the samples for each label that the method takes."""
    twin, labels = _Twin(task), Labels(task)
    rows = task.rows(twin.numbers_per_sample)
    out, passes = torch.zeros_like(rows.w), 0
    for _, inputs, own in rows:
        if task.method in ("hessian", "ggn"):
            given = [(1.0, own)]
        else:
            with torch.no_grad():
                given = list(labels.next(rows.objective, twin.chain(inputs), own))
        passes = len(given)
        for weight, chosen in given:
            twin.add(out, inputs, chosen, weight / len(task.samples))
    return Found(out, passes=max(passes, twin.columns))


class _Twin:
    """A chain of copies at the task's point, for BackPACK to hang its hooks on.

    Attributes:
        chain: the copies in order.
        columns: vectors carried back through it for each sample.
        numbers_per_sample: about the most that is held for a sample at once.
    """

    def __init__(self, task: Task):
        rows = task.rows(1)
        self._objective, self._method = rows.objective, task.method
        module = self._objective.module(rows.w)
        self._layers = [
            (prefix, _copied(module.get_submodule(prefix.rstrip("."))))
            for prefix, layer in chain(self._objective)
            if type(layer) not in _IDLE
        ]
        _, first, _ = next(iter(rows))
        self._measure(first[:1])
        self.chain = extend(nn.Sequential(*(layer for _, layer in self._layers)))
        squared = task.objective.loss_name == "squared"
        kind = nn.MSELoss if squared else nn.CrossEntropyLoss
        self._loss = extend(kind(reduction="sum"))
        # BackPACK's squared loss has no factor 1/2; gradients are squared.
        power = 1 if task.method in ("hessian", "ggn") else 2
        self._factor = 0.5**power if squared else 1.0

    @torch.no_grad()
    def _measure(self, x: torch.Tensor) -> None:
        """Look at what one sample becomes from layer to layer."""
        sizes, curved, needed = [x.numel()], 0, []
        for prefix, layer in self._layers:
            if type(layer) is nn.Linear and x.ndim != 2:
                raise UnfitError(f"a Linear layer on inputs of shape [b, {list(x.shape[1:])}]")
            if type(layer) is nn.Flatten and x.ndim == 2:
                continue
            x = layer(x)
            needed.append((prefix, layer))
            sizes.append(x.numel())
            curved += x.numel() if type(layer) in _CURVED else 0
        if x.ndim != 2:
            raise UnfitError(f"outputs of shape {list(x.shape)}")
        # A curved activation adds the positive and the negative parts of its own curvature.
        found = {"ggn": x.numel(), "hessian": x.numel() + 2 * curved}
        self._layers, self.columns = needed, found.get(self._method, 0)
        widest = max(a + b for a, b in itertools.pairwise(sizes))
        per_pass = self._objective.dimension + 10 * sum(sizes)
        self.numbers_per_sample = per_pass + 3 * self.columns * widest

    def add(self, out: torch.Tensor, inputs, labels, factor: float) -> None:
        """Add the batch's sum, times a factor, to ``out [d]``."""
        extension, field = _EXTENSIONS[self._method]
        labels = labels[:, None] if labels.is_floating_point() else labels
        with torch.enable_grad(), backpack(extension()), warnings.catch_warnings():
            # PyTorch tells that no hook sees a gradient of the inputs; nobody asks for one.
            warnings.filterwarnings("ignore", "Full backward hook is firing", UserWarning)
            self._loss(self.chain(inputs), labels).backward()
        parts = self._objective.unflatten(out)
        for prefix, layer in self._layers:
            for name, parameter in layer.named_parameters():
                values = getattr(parameter, field).detach()
                parts[prefix + name].add_(values, alpha=factor * self._factor)
                parameter.grad = None
                delattr(parameter, field)


def _copied(layer: nn.Module) -> nn.Module:
    layer = copy.deepcopy(layer).requires_grad_(True)
    if hasattr(layer, "inplace"):
        layer.inplace = False  # BackPACK looks at what went into a layer
    return layer
