"""Gaussian noise from the operating system's entropy.

Every pair of variates takes 16 bytes of entropy of its own. A generator with a seed has a state of
a few hundred bits: who knows the weights with and without a sample, as the definition of a
certificate lets them, could look for the state that explains thousands of noise values.
"""

import os

import numpy as np

from unlearning.service.sums import to_grid


def gaussian(count: int, sigma: float) -> np.ndarray:
    """Independent normal variates of standard deviation ``sigma``, on the grid of the weights.

    Box and Muller's transform of uniform variates with 53 bits. Rounding to the grid is harmless:
    on it lie the weights too, so rounded noise plus weights is the rounded sum of both, and
    what is computed from a noisy sum is covered as the sum is.

    Args:
        count: how many.
        sigma: standard deviation.

    Returns:
        float64 ``[count]``, multiples of 2^-40.
    """
    pairs = (count + 1) // 2
    bits = np.frombuffer(os.urandom(16 * pairs), np.uint64).reshape(2, pairs)
    uniform = ((bits >> np.uint64(11)) + 1.0) * 2.0**-53  # above 0, so that its logarithm exists
    radius, angle = np.sqrt(-2.0 * np.log(uniform[0])), 2.0 * np.pi * uniform[1]
    normal = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:count]
    return to_grid(sigma * normal)
