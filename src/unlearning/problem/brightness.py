"""Images whose pixels have one scale: what a blank pixel or a bright patch needs.

``load`` may standardise every pixel by itself; then black is another number at each of them.
"""

from unlearning.base import checks
from unlearning.problem.samples import Data, Samples


def as_stored(data: Data) -> Data:
    """The same data with pixels as they are stored; black is exactly 0.

    Args:
        data: images as ``load`` gives them, inputs ``[n, channels, height, width]``.

    Returns:
        Data without ``scaling``, as none is left to undo.

    Raises:
        ValueError: if the data does not say how it was standardised.
    """
    if data.scaling is None:
        checks.fail("data", "standardised images (with scaling)", "scaling=None")
    mean, scale = data.scaling

    def stored(rows: Samples) -> Samples:
        pixels = rows.inputs * scale + mean
        # Standardised and brought back, a 0 is only nearly one.
        return Samples(pixels.masked_fill(pixels.abs() < 1e-6, 0.0), rows.labels)

    return Data(data.name, stored(data.train), stored(data.test))


def from_black_to_one(data: Data) -> Data:
    """The same images with pixels from 0, black, to 1, the brightest of the training rows."""
    stored = as_stored(data)
    return _changed(stored, 0.0, float(stored.train.inputs.max()))


def with_one_scale(data: Data) -> tuple[Data, float]:
    """The same images, standardised by one mean and one deviation, those of all training pixels.

    Returns:
        The data, and what a black pixel has become.
    """
    stored = as_stored(data)
    pixels = stored.train.inputs
    mean, deviation = float(pixels.mean()), float(pixels.std())
    return _changed(stored, mean, deviation), -mean / deviation


def _changed(data: Data, mean: float, scale: float) -> Data:
    def rows(part: Samples) -> Samples:
        return Samples((part.inputs - mean) / scale, part.labels)

    return Data(data.name, rows(data.train), rows(data.test))
