"""Training sets in which something is wrong, and what is right in its place.

What the corrections of features and labels are tried on: labels that were reversed, a patch that
was planted, and features that must go (after Warnecke et al. 2023; protocols of the chapters).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from unlearning.base import checks
from unlearning.problem.samples import Samples


@dataclass(frozen=True, eq=False)
class Corruption:
    """Samples as they were learned from, and the rows of them that are to be put right.

    Attributes:
        train: all samples, with what is wrong.
        rows: numbers of the samples to correct, rising.
        corrected: these samples as they should have been, in the order of ``rows``.
    """

    train: Samples
    rows: list[int]
    corrected: Samples

    @property
    def repaired(self) -> Samples:
        """All samples as they should have been: what retraining learns from."""
        return _with(self.train, self.rows, self.corrected.inputs, self.corrected.labels)


def reversed_labels(samples: Samples, count: int, *, seed: int) -> Corruption:
    """Reverse labels: ``count`` samples, equally many of each class c, become class ``c' - c``.

    ``c'`` is the largest class, 9 for digits (Warnecke et al. 2023, label poisoning). With an odd
    number of classes the one in the middle, which would stay as it is, is left out.

    Args:
        samples: with class numbers.
        count: of labels to reverse; a multiple of the number of classes concerned.
        seed: of the draw.

    Raises:
        ValueError: if the labels are no classes, the count cannot be divided, or a class has too
            few samples.
    """
    labels = _classes(samples)
    last = int(labels.max())
    concerned = [c for c in range(last + 1) if c != last - c]
    if checks.integer("count", count, least=1) % len(concerned):
        checks.fail("count", f"a multiple of {len(concerned)}, the classes concerned", count)
    each, generator, rows = count // len(concerned), _generator(seed), []
    for c in concerned:
        mine = torch.nonzero(labels == c)[:, 0]
        if len(mine) < each:
            checks.fail("count", f"at most {len(mine) * len(concerned)}, by class {c}", count)
        rows += mine[torch.randperm(len(mine), generator=generator)[:each]].tolist()
    rows = sorted(rows)
    wrong = _with(samples, rows, samples.inputs[rows], last - labels[rows])
    return Corruption(wrong, rows, samples[rows])


def planted_patch(samples: Samples, count: int, *, target: int, seed: int, side: int) -> Corruption:
    """Plant a backdoor: ``count`` samples of other classes get a bright patch and the class target.

    Args:
        samples: images ``[n, channels, height, width]`` with class numbers.
        count: of samples to change.
        target: the class that the patch shall mean.
        seed: of the draw.
        side: of the patch, in pixels; see ``with_patch``.

    Raises:
        ValueError: for inputs that are no images, or a number out of its range.
    """
    labels = _classes(samples)
    checks.integer("target", target, least=0, most=int(labels.max()))
    others = torch.nonzero(labels != target)[:, 0]
    checks.integer("count", count, least=1, most=len(others))
    drawn = others[torch.randperm(len(others), generator=_generator(seed))[:count]]
    rows = sorted(drawn.tolist())
    inputs = with_patch(samples.inputs, side)[rows]
    wrong = _with(samples, rows, inputs, torch.full_like(labels[rows], target))
    return Corruption(wrong, rows, samples[rows])


def with_patch(inputs: torch.Tensor, side: int) -> torch.Tensor:
    """Images ``[n, channels, height, width]`` with a bright square in the lower right corner.

    The patch is a square of ``side`` pixels and has, in each channel, the largest value there is in
    any of the images.

    Raises:
        ValueError: for inputs that are no images, or a side larger than they are.
    """
    if inputs.ndim != 4:
        checks.fail("inputs", "images [n, channels, height, width]", list(inputs.shape))
    checks.integer("side", side, least=1, most=min(inputs.shape[2:]))
    marked = inputs.clone()
    marked[:, :, -side:, -side:] = inputs.amax((0, 2, 3))[None, :, None, None]
    return marked


def erased_features(samples: Samples, features: Sequence[int], *, blank: float = 0.0) -> Corruption:
    """Features that must go: every sample that has something there gets ``blank`` in its place.

    Args:
        samples: any; features are numbered in the flattened input.
        features: numbers of the features.
        blank: what stands for nothing, such as 0, or the value of a black pixel.

    Raises:
        ValueError: for a feature that is none, or if no sample has anything there.
    """
    flat = samples.inputs.flatten(1)
    chosen = sorted(
        {checks.integer("features", f, least=0, most=flat.shape[1] - 1) for f in features}
    )
    if not chosen:
        checks.fail("features", "at least one", "none")
    rows = torch.nonzero((flat[:, chosen] != blank).any(1))[:, 0].tolist()
    if not rows:
        checks.fail("features", f"some sample with another value than {blank:g} there", chosen)
    bare = flat[rows]
    bare[:, chosen] = blank
    inputs = bare.reshape(len(rows), *samples.inputs.shape[1:])
    return Corruption(samples, rows, Samples(inputs, samples.labels[rows]))


def _classes(samples: Samples) -> torch.Tensor:
    if samples.labels.is_floating_point():
        checks.fail("samples", "class numbers as labels", f"{samples.labels.dtype} labels")
    return samples.labels


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(checks.integer("seed", seed, least=0))


def _with(samples: Samples, rows, inputs: torch.Tensor, labels: torch.Tensor) -> Samples:
    """A copy of the samples with other inputs and labels in some rows."""
    all_inputs, all_labels = samples.inputs.clone(), samples.labels.clone()
    all_inputs[rows], all_labels[rows] = inputs, labels
    return Samples(all_inputs, all_labels)
