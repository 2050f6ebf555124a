"""ResNet-18 with a head for the data's classes, and BatchNorm that never changes."""

import copy
from pathlib import Path

import torch
from torch import nn

from unlearning.base import checks
from unlearning.problem.building import image_shape, like, seeded
from unlearning.problem.samples import Data


def resnet18(
    data: Data,
    *,
    seed: int = 0,
    weights: str | Path | None = None,
    hidden: int | None = None,
    statistics_from: int = 0,
) -> nn.Module:
    """ResNet-18 of torchvision (on images of any size; CIFAR's stay 32 x 32) with a new head.

    It runs in eval mode, as the papers' code runs it: BatchNorm uses its running statistics and
    never updates them; its scales and shifts are learned with the other weights. With 3 channels
    and 10 classes d = 11,181,642.

    Published runs start from ImageNet weights. Without them the start is random, and its BatchNorm
    statistics are those of no data (mean 0, variance 1) or, with ``statistics_from``, of the first
    training rows under the random weights; then they are frozen. They are part of the start: a
    retraining keeps them, although they saw the forgotten rows.

    Args:
        data: images with 3 channels.
        seed: of the random weights. INFERRED: the released code draws the head after other random
            numbers, so that a head of the same seed is another one.
        weights: a file of torchvision's ImageNet weights (``resnet18-f37072fd.pth``, a state dict
            with or without its own head, which is not used).
        hidden: width of a hidden ReLU layer in the head; the papers use 256 for LFW, otherwise
            none. Its dropout is never active, and left out.
        statistics_from: how many training rows the BatchNorm statistics of a random start are of,
            at least 2; 0 for none. They are computed in float64 and rounded to float32: the last
            bits of the sums, which depend on the number of threads and on the machine, are rounded
            away (unless a value happens to lie halfway between two of float32).

    Raises:
        ValueError: if the data are not images with 3 channels, if the file is missing or holds
            something else, if both weights and rows for statistics are given, or one such row.
    """
    from torchvision.models import resnet18 as architecture  # it costs a second

    shape = image_shape(data)
    if shape[0] != 3:
        checks.fail("data", "images with 3 channels", shape[0])
    rows = checks.integer("statistics_from", statistics_from, least=0, most=len(data.train))
    if weights is not None and rows:
        checks.fail("statistics_from", "0 with given weights, which have statistics", rows)
    if rows == 1:
        checks.fail("statistics_from", "0 or at least 2 rows, to have a variance", rows)
    with seeded(seed):
        model = architecture(weights=None)
        model.fc = _head(model.fc.in_features, hidden, data.n_classes)
    if weights is not None:
        _load(model, Path(weights))
    for layer in model.modules():
        if isinstance(layer, nn.ReLU):
            layer.inplace = False  # per-sample gradients and products cannot overwrite
    model = like(data, model)
    if rows:
        _set_statistics(model, data.train.inputs[:rows])
    return model


def _head(features: int, hidden: int | None, classes: int) -> nn.Module:
    if hidden is None:
        return nn.Linear(features, classes)
    width = checks.integer("hidden", hidden, least=1)
    return nn.Sequential(nn.Linear(features, width), nn.ReLU(), nn.Linear(width, classes))


def _load(model: nn.Module, path: Path) -> None:
    """Read all but the head from a file."""
    expected = "a file of ImageNet weights for torchvision's ResNet-18"
    if not path.is_file():
        checks.fail("weights", expected, f"none at {path}")
    try:
        given = torch.load(path, map_location="cpu", weights_only=True)
        trunk = {name: value for name, value in given.items() if not name.startswith("fc.")}
        found = model.load_state_dict(trunk, strict=False)
    except Exception as error:  # of another kind of file, in many classes
        checks.fail("weights", expected, f"{path}: {type(error).__name__}")
    missing = [name for name in found.missing_keys if not name.startswith("fc.")]
    if missing or found.unexpected_keys:
        differ = f"{len(missing)} of its tensors missing, {len(found.unexpected_keys)} others"
        checks.fail("weights", expected, f"{path}: {differ}")


def _set_statistics(model: nn.Module, inputs: torch.Tensor) -> None:
    """Running statistics of BatchNorm := those of the inputs, by one forward pass over them all."""
    exact = copy.deepcopy(model).double().train()
    for layer in _norms(exact):
        layer.momentum = 1.0
    with torch.no_grad():
        exact(inputs.double())
    for layer, found in zip(_norms(model), _norms(exact), strict=True):
        # Rounded whatever the dtype of the model: sums in another order differ in the last bits.
        layer.running_mean.copy_(found.running_mean.float())
        layer.running_var.copy_(found.running_var.float())


def _norms(model: nn.Module) -> list[nn.BatchNorm2d]:
    return [layer for layer in model.modules() if isinstance(layer, nn.BatchNorm2d)]
