"""The training objective as a function of one flat weight vector.

This file alone knows how the flat vector ``w [d]`` maps to a module's tensors. The objective is the
MEAN loss over samples plus an explicit penalty ``l2/2 |w|^2``. The penalty is never inside the
differentiated loss: gradients and Hessians below are those of the mean loss, and the penalty's
``l2 * w`` and ``l2 * I`` are added where they are applied.
"""

import copy
from collections.abc import Callable

import torch
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional

from unlearning.base import checks, devices
from unlearning.problem.samples import Samples

LOSSES = ("cross_entropy", "squared")


class Objective:
    """Mean loss of a module over samples, plus ``l2/2`` times the squared norm of its weights.

    The module is copied and put in eval mode (no dropout, BatchNorm statistics frozen); the one
    passed in is never changed. The weights it has now are the initial weights of every run.

    Args:
        model: any module that maps inputs ``[b, ...]`` to outputs ``[b, classes]`` (or ``[b]``).
        l2: strength of the penalty on ALL trainable parameters, biases too.
        loss: ``cross_entropy``, or ``squared`` for ``1/2 |f(x) - y|^2``.

    Raises:
        ValueError: for a negative or non-finite ``l2``, an unknown loss, or a model without
            trainable parameters or with parameters of several types or devices.
    """

    def __init__(self, model: nn.Module, l2: float = 0.0, loss: str = "cross_entropy"):
        self.l2 = float(checks.finite("l2", l2, least=0.0))
        self.loss_name = checks.choice("loss", loss, LOSSES)
        if not isinstance(model, nn.Module):
            checks.fail("model", "a torch.nn.Module", type(model).__name__)
        self._module = copy.deepcopy(model).eval()
        trainable = {k: p for k, p in self._module.named_parameters() if p.requires_grad}
        kinds = {(p.dtype, p.device) for p in trainable.values()}
        if len(kinds) != 1:
            checks.fail("model", "trainable parameters of one dtype on one device", kinds or "none")
        self._shapes = {name: p.shape for name, p in trainable.items()}
        self._initial = torch.cat([p.detach().reshape(-1) for p in trainable.values()])
        self._module.requires_grad_(False)

    @property
    def dimension(self) -> int:
        """Number of trainable parameters, d."""
        return len(self._initial)

    @property
    def initial_weights(self) -> torch.Tensor:
        """The model's own weights when the objective was made, shape ``[d]``."""
        return self._initial.clone()

    @property
    def architecture(self) -> nn.Module:
        """The model's layers, to be looked at and not changed; the weights are in ``w``."""
        return self._module

    @property
    def as_named(self) -> bool:
        """Whether the function is what model and ``loss_name`` say: nothing overrides a method."""
        return type(self) is Objective and self._losses is _LOSS_FUNCTIONS[self.loss_name]

    def to(self, dtype: torch.dtype | None = None, device=None) -> "Objective":
        """A copy in another dtype, on another device.

        Raises:
            ValueError: if dtype or device is none.
        """
        dtype = dtype and devices.real("dtype", dtype)
        device = device and devices.device("device", device)
        other = copy.copy(self)
        other._module = copy.deepcopy(self._module).to(dtype=dtype, device=device)
        other._initial = self._initial.to(dtype=dtype, device=device)
        return other

    def unflatten(self, w: torch.Tensor) -> dict[str, torch.Tensor]:
        """Views of ``w [..., d]`` as ``[..., *shape]`` by names of the trainable parameters."""
        parts = w.split([shape.numel() for shape in self._shapes.values()], dim=-1)
        return {
            name: part.view(*w.shape[:-1], *shape)
            for (name, shape), part in zip(self._shapes.items(), parts, strict=True)
        }

    def module(self, w: torch.Tensor) -> nn.Module:
        """A new module in eval mode that carries the weights ``w [d]``.

        Raises:
            ValueError: if ``w`` does not have shape ``[d]``.
        """
        module = copy.deepcopy(self._module)
        with torch.no_grad():
            for name, values in self.unflatten(self._weights(w)).items():
                module.get_parameter(name).copy_(values)
        return module

    def outputs(self, w: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
        """The module's outputs for ``inputs [b, ...]``: logits ``[b, classes]`` or values."""
        return functional_call(self._module, self.unflatten(w), (inputs,))

    def losses(self, w: torch.Tensor, samples: Samples) -> torch.Tensor:
        """Loss of each sample, without penalty: shape ``[n]``."""
        with torch.no_grad():
            outputs = self.outputs(self._weights(w), samples.inputs)
            return self._losses(outputs, samples.labels)

    def accuracy(self, w: torch.Tensor, samples: Samples) -> float:
        """Share of samples whose largest output is that of their class."""
        with torch.no_grad():
            hit = self.outputs(self._weights(w), samples.inputs).argmax(1) == samples.labels
        return float(hit.double().mean())

    def mean_loss(self, w, inputs, labels) -> torch.Tensor:
        """Mean loss over a batch, without penalty: the function that curvature differentiates."""
        return self._losses(self.outputs(w, inputs), labels).mean()

    def gradient(self, w, inputs, labels) -> torch.Tensor:
        """Gradient of the mean loss over a batch, without penalty: shape ``[d]``."""
        return grad(self.mean_loss)(w, inputs, labels)

    def gradient_and_loss(self, w, inputs, labels) -> tuple[torch.Tensor, torch.Tensor]:
        """``gradient`` with the mean loss it was taken of.

        By plain reverse mode: half the time of ``torch.func``, but nothing can differentiate it.
        """
        point = w.detach().requires_grad_(True)
        loss = self.mean_loss(point, inputs, labels)
        return torch.autograd.grad(loss, point)[0], loss.detach()

    def sample_gradients(self, w, inputs, labels) -> torch.Tensor:
        """Gradient of each sample's own loss, without penalty: shape ``[b, d]``."""

        def one(w, x, y):
            return self.mean_loss(w, x[None], y[None])

        return vmap(grad(one), in_dims=(None, 0, 0))(w, inputs, labels)

    def check_samples(self, samples: Samples) -> None:
        """Refuse samples that this model cannot be trained on, before any work is done.

        Raises:
            ValueError: if dtype, device, input shape or labels do not match the model.
        """
        if not isinstance(samples, Samples):
            checks.fail("samples", "an unlearning.Samples", type(samples).__name__)
        have, want = samples.inputs, self._initial
        if (have.dtype, have.device) != (want.dtype, want.device):
            checks.fail("samples", f"inputs of the model's {want.dtype} on {want.device}",
                        f"{have.dtype} on {have.device}")  # fmt: skip
        try:
            outputs = self.outputs(self._initial, have[:1])
        except RuntimeError as error:
            checks.fail(
                "samples", "inputs that fit the model", f"shape {list(have.shape)}: {error}"
            )
        self._check_labels(outputs, samples.labels)

    def _check_labels(self, outputs: torch.Tensor, labels: torch.Tensor) -> None:
        if self.loss_name == "squared":
            if not labels.is_floating_point() or outputs.numel() != 1:
                given = f"{labels.dtype} labels and {outputs.numel()} outputs a sample"
                checks.fail("samples", "real targets and one output a sample", given)
            return
        if labels.is_floating_point():
            checks.fail("samples", "class numbers for the cross-entropy", f"{labels.dtype} labels")
        if outputs.ndim != 2 or int(labels.max()) >= outputs.shape[1]:
            classes = outputs.shape[1] if outputs.ndim == 2 else f"outputs {list(outputs.shape)}"
            given = f"a label {int(labels.max())}"
            checks.fail("samples", f"labels below the model's number of classes, {classes}", given)

    def _weights(self, w: torch.Tensor) -> torch.Tensor:
        if w.shape != self._initial.shape:
            checks.fail("w", f"shape [{self.dimension}]", list(w.shape))
        if w.device != self._initial.device:
            checks.fail("w", f"the model's device, {self._initial.device}", w.device)
        return w

    @property
    def _losses(self) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
        return _LOSS_FUNCTIONS[self.loss_name]


def _squared(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return (outputs.reshape(labels.shape) - labels).square() / 2


def _cross_entropy(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    return functional.cross_entropy(outputs, labels, reduction="none")


_LOSS_FUNCTIONS = {"cross_entropy": _cross_entropy, "squared": _squared}
