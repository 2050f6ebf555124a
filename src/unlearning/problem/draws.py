"""Which rows of a data set are learned from, tested on and forgotten, decided by a seed.

Two ways to draw, and one home for both. ``split`` is this project's own, for the sets that ship
inside scikit-learn and for files of the reader's own. ``draw`` is that of the released HF-OCU code,
the same for all its data sets: the first ``n`` of ``torch.randperm(len(train))`` after
``torch.manual_seed(seed)``, the test rows likewise, and the rows to forget from a fresh
``random.Random(seed)``. The sets that come as one table are cut in two before, by scikit-learn's
``train_test_split`` with ``random_state=seed`` (``cut``).
"""

import math
import random

import torch

from unlearning.base import checks

TEST_SHARE = 0.2  # of the sets that come without a test set
TEST_PER_TRAIN = 0.4  # test rows per training row where both files exist, as the HF-OCU code draws

#: Inputs and labels; the inputs may be anything with a length that ``inputs[rows]`` makes numbers.
Parts = tuple[torch.Tensor, torch.Tensor]


def draw_forget_set(n: int, m: int, seed: int) -> list[int]:
    """Draw ``m`` of ``n`` samples to delete, as the released HF-OCU code draws them.

    Sets of different ``m`` from one seed overlap, and some contain others.

    Raises:
        ValueError: if ``m`` is not between 1 and ``n - 1``.
    """
    m = checks.integer("m", m, least=1, most=n - 1)
    return random.Random(checks.integer("seed", seed, least=0)).sample(range(n), m)


def draw(parts: tuple[Parts, Parts], seed: int, n_train: int | None) -> tuple[Parts, Parts]:
    """The released draw: ``n_train`` training rows, and 0.4 times as many test rows.

    All test rows if all training rows are asked for: the released scripts then ask for more test
    rows than there are (Wine, Obesity, HAR), or set the share to 1 (LFW).
    """
    (inputs, labels), (test_inputs, test_labels) = parts
    n, most = count(n_train, len(inputs)), len(test_inputs)
    n_test = most if n == len(inputs) else max(1, min(most, int(TEST_PER_TRAIN * n)))
    rows, test_rows = order(len(inputs), seed)[:n], order(most, seed)[:n_test]
    return (inputs[rows], labels[rows]), (test_inputs[test_rows], test_labels[test_rows])


def cut(n: int, test_share: float, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Training rows and test rows of one table, as scikit-learn cuts it, the test part rounded up.

    Raises:
        ValueError: if the seed is larger than scikit-learn's generator takes.
    """
    from sklearn.model_selection import train_test_split

    limit = " (what scikit-learn's split takes)"
    checks.integer("seed", seed, least=0, most=2**32 - 1, note=limit)
    train, test = train_test_split(range(n), test_size=test_share, random_state=seed)
    return torch.tensor(train), torch.tensor(test)


def cut_table(table: Parts, test_share: float, seed: int) -> tuple[Parts, Parts]:
    """The two parts of a table that ``cut`` names."""
    inputs, labels = table
    train, test = cut(len(inputs), test_share, seed)
    return (inputs[train], labels[train]), (inputs[test], labels[test])


def split(parts: tuple[Parts, Parts | None], seed: int, n_train: int | None):
    """Shuffle by seed, set the test rows apart, then keep the first ``n_train`` of the others."""
    (inputs, labels), test = parts
    rows = order(len(inputs), seed)
    if test is None:
        n_test = math.ceil(TEST_SHARE * len(inputs))
        rows, held_out = rows[: len(rows) - n_test], rows[len(rows) - n_test :]
        test = inputs[held_out], labels[held_out]
    n = count(n_train, len(rows))
    return (inputs[rows[:n]], labels[rows[:n]]), test


def own_scaling(inputs: torch.Tensor) -> Parts:
    """Mean and scale of each feature; a constant one, up to rounding, has scale 1."""
    deviation = inputs.std(0, unbiased=False)
    varies = deviation > 1e-12 * inputs.abs().amax(0)
    return inputs.mean(0), torch.where(varies, deviation, torch.ones_like(deviation))


def count(n_train: int | None, most: int) -> int:
    """``n_train`` if it is possible, all rows if it is None."""
    if n_train is None:
        return most
    return checks.integer("n_train", n_train, least=1, most=most, note=" (the rows at hand)")


def order(n: int, seed: int) -> torch.Tensor:
    """``torch.randperm(n)`` as after ``torch.manual_seed(seed)``."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(seed))
