"""Inputs with their labels, and a training set with its test set."""

from dataclasses import dataclass

import torch

from unlearning.base import devices
from unlearning.base.checks import fail


@dataclass(frozen=True, eq=False)
class Samples:
    """Inputs and labels of the same rows.

    Args:
        inputs: shape ``[n, ...]``, floating point and finite; anything ``torch.as_tensor`` takes.
        labels: shape ``[n]``; class numbers from 0 (any integer type), or real targets.

    Raises:
        ValueError: if a shape, type or value is not of this form.
    """

    inputs: torch.Tensor
    labels: torch.Tensor

    def __post_init__(self):
        inputs, labels = torch.as_tensor(self.inputs), torch.as_tensor(self.labels)
        if inputs.ndim < 2 or len(inputs) == 0 or not inputs.is_floating_point():
            fail("inputs", "a floating-point array [n, ...] with n > 0", _kind(inputs))
        if labels.shape != inputs.shape[:1]:
            fail("labels", f"shape [{len(inputs)}], one per input", list(labels.shape))
        if labels.device != inputs.device:
            fail("labels", f"the device of the inputs, {inputs.device}", labels.device)
        for name, values in (("inputs", inputs), ("labels", labels)):
            if not bool(torch.isfinite(values).all()):
                fail(name, "finite numbers", "NaN or infinity among them")
        if not labels.is_floating_point():
            labels = labels.to(torch.int64)
            if int(labels.min()) < 0:
                fail("labels", "class numbers from 0", int(labels.min()))
        object.__setattr__(self, "inputs", inputs)
        object.__setattr__(self, "labels", labels)

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, rows) -> "Samples":
        """The samples of some rows (a list, slice, mask or index tensor; not a single number)."""
        return Samples(self.inputs[rows], self.labels[rows])

    def to(self, dtype: torch.dtype | None = None, device=None) -> "Samples":
        """A copy with inputs (and real targets) in another dtype, all on another device.

        Raises:
            ValueError: if dtype or device is none.
        """
        dtype = dtype and devices.real("dtype", dtype)
        device = device and devices.device("device", device)
        real = self.labels.is_floating_point()
        labels = self.labels.to(device=device, dtype=dtype if real else None)
        return Samples(self.inputs.to(device=device, dtype=dtype), labels)


def _kind(values: torch.Tensor) -> str:
    return f"{values.dtype} of shape {list(values.shape)}"


@dataclass(frozen=True, eq=False)
class Data:
    """A training set and a test set of one problem.

    Args:
        name: what it was loaded from.
        train: the rows to learn from.
        test: rows that were never learned from.
        scaling: mean and scale with which the features were standardised, if they were:
            ``inputs * scale + mean`` are the features as they were.
    """

    name: str
    train: Samples
    test: Samples
    scaling: tuple[torch.Tensor, torch.Tensor] | None = None

    @property
    def n_classes(self) -> int:
        """Number of outputs a model needs: the classes, or 1 for real targets."""
        if self.train.labels.is_floating_point():
            return 1
        return 1 + max(int(self.train.labels.max()), int(self.test.labels.max()))
