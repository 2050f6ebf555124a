"""A model read as a chain of known layers, or the reason why it is not one."""

import torch
from torch import nn

from unlearning.problem.objective import Objective


class UnfitError(Exception):
    """A kernel does not apply to a model; the message says why."""


def chain(objective: Objective) -> list[tuple[str, nn.Module]]:
    """The layers of a (nested) ``nn.Sequential`` in order, with the prefix of their parameters.

    Nothing stands between these layers and their textbook formulas: no hook, no method replaced,
    and each of their parameters is trainable and used once.

    Raises:
        UnfitError: if the model is built otherwise.
    """
    if not objective.as_named:
        raise UnfitError("an objective with a loss of its own")
    if objective.initial_weights.dtype not in (torch.float32, torch.float64):
        raise UnfitError(f"weights of {objective.initial_weights.dtype}")
    links = _walk("", objective.architecture)
    trainable = objective.unflatten(objective.initial_weights)
    for prefix, layer in links:
        for part, _ in layer.named_parameters():
            if prefix + part not in trainable:
                raise UnfitError(f"parameter {prefix}{part}, which is frozen or shared")
    return links


def _walk(prefix: str, module: nn.Module) -> list[tuple[str, nn.Module]]:
    _check_untouched(module)
    if type(module) is not nn.Sequential:
        return [(prefix, module)]
    # Not named_children, which leaves out a child that it has seen.
    children = module._modules.items()
    return [link for part, child in children for link in _walk(f"{prefix}{part}.", child)]


def _check_untouched(module: nn.Module) -> None:
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    if any(getattr(module, kind) for kind in hooks):
        raise UnfitError(f"a hook on a {type(module).__name__}")
    if "forward" in vars(module):
        raise UnfitError(f"a {type(module).__name__} with a forward of its own")
