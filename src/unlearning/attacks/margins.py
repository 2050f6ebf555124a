"""The score that membership attacks look at: how sure a model is of a row's own label."""

import torch

from unlearning.base import checks

#: Logits that models and rows worked on together may have.
AT_ONCE = 2**22


def margins(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """``log p_y - log(1 - p_y)``, the logit of the probability of the label (Carlini et al. 2022).

    Computed as ``z_y - logsumexp of the other logits`` in double precision, which stays exact where
    ``p_y`` rounds to 1.

    Args:
        logits: shape ``[..., n, classes]``.
        labels: class numbers, shape ``[n]``.

    Returns:
        Shape ``[..., n]``, in double precision.

    Raises:
        ValueError: for fewer than two classes, or labels that do not fit the logits.
    """
    if logits.ndim < 2 or logits.shape[-1] < 2:
        checks.fail("logits", "shape [..., n, classes], two or more classes", list(logits.shape))
    rows, classes = logits.shape[-2:]
    if labels.shape != (rows,) or labels.is_floating_point():
        given = f"{labels.dtype} of shape {list(labels.shape)}"
        checks.fail("labels", f"{rows} class numbers, one a row of logits", given)
    if rows and not 0 <= int(labels.min()) <= int(labels.max()) < classes:
        given = f"{int(labels.min())} to {int(labels.max())}"
        checks.fail("labels", f"class numbers below {classes}", given)
    logits = logits.double()
    own = labels.expand(logits.shape[:-1])[..., None]
    others = logits.scatter(-1, own, -torch.inf)
    return logits.gather(-1, own).squeeze(-1) - others.logsumexp(-1)


@torch.no_grad()
def margins_of(objective, weights: torch.Tensor, samples) -> torch.Tensor:
    """The margins of many models on the same rows.

    Args:
        objective: of the models, with class numbers as labels.
        weights: shape ``[K, d]``, a model a row; or ``[d]``.
        samples: the rows.

    Returns:
        Shape ``[K, n]`` or ``[n]``, in double precision.

    Raises:
        ValueError: for weights of another length, or samples that do not fit the model.
    """
    if weights.ndim not in (1, 2) or weights.shape[-1] != objective.dimension:
        expected = f"shape [K, {objective.dimension}] or [{objective.dimension}]"
        checks.fail("weights", expected, list(weights.shape))
    objective.check_samples(samples)
    if weights.ndim == 1:
        return margins(objective.outputs(weights, samples.inputs), samples.labels)
    each = torch.vmap(objective.outputs, in_dims=(0, None))
    size = max(1, AT_ONCE // samples.inputs.numel())
    parts = [each(part, samples.inputs) for part in weights.split(size)]
    return torch.cat([margins(part, samples.labels) for part in parts])
