"""The values of a network at one point and batch, layer by layer."""

from dataclasses import dataclass, field

import torch
from torch import nn
from torch.func import functional_call

from unlearning.curvature.kernels.chain import chain
from unlearning.curvature.kernels.layers.loss import Loss
from unlearning.problem.objective import Objective


@dataclass(eq=False)
class Site:
    """One layer with its values.

    Attributes:
        prefix: of its parameters' names.
        layer: the module, for its settings.
        weight: at the point, None where the layer has none; ``bias`` likewise.
        x: what goes in, shape ``[b, ...]``.
        y: what comes out.
        delta: gradient of the mean loss with respect to y.
        inner: whether x depends on weights, so that x has a tangent.
    """

    prefix: str
    layer: nn.Module
    weight: torch.Tensor | None
    bias: torch.Tensor | None
    x: torch.Tensor
    inner: bool
    y: torch.Tensor = field(init=False)
    delta: torch.Tensor = field(init=False)


def visit(objective: Objective, w, inputs, labels) -> tuple[list[Site], Loss, torch.Tensor]:
    """One forward and one backward pass.

    Returns:
        The layers from the first with parameters on, the loss, and the mean gradient ``[d]``.
    """
    with torch.enable_grad():
        point = w.detach().clone().requires_grad_(True)
        sites, outputs = [], [inputs]
        for prefix, layer in chain(objective):
            site, y = _pass(prefix, layer, objective.unflatten(point), outputs[-1], bool(sites))
            if sites or site.weight is not None:
                sites.append(site)
            outputs.append(y)
        loss = Loss(objective.loss_name, outputs[-1].detach(), labels)
        outputs = outputs[-len(sites) :]
        gradient, *deltas = torch.autograd.grad(outputs[-1], [point, *outputs], loss.delta)
    for site, y, delta in zip(sites, outputs, deltas, strict=True):
        site.y, site.delta = y.detach(), delta
    return sites, loss, gradient


def _pass(prefix, layer, parameters, x, inner) -> tuple[Site, torch.Tensor]:
    own = {part: parameters[prefix + part] for part, _ in layer.named_parameters()}
    weight, bias = (own[k].detach() if k in own else None for k in ("weight", "bias"))
    site = Site(prefix, layer, weight, bias, x.detach(), inner)
    # A layer that works in place would overwrite what the layer before gave back.
    fresh = x.clone() if getattr(layer, "inplace", False) else x
    return site, functional_call(layer, own, (fresh,))
