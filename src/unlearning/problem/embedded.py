"""Data sets that ship inside scikit-learn."""

import numpy as np
import torch

from unlearning.problem.draws import Parts, cut_table


def whole(loader: str, image: tuple[int, ...] = ()) -> tuple[Parts, None]:
    """All rows of a set, of which no test part is set apart yet.

    Args:
        loader: the function of ``sklearn.datasets``.
        image: shape of a row, if it is an image.
    """
    return _read(loader, image), None


def wine_released(seed: int) -> tuple[Parts, Parts]:
    """Wine (178 rows, 13 features, 3 classes), cut to 142 and 36 rows as the released code does.

    The published README links UCI's Wine Quality; its code loads this set.
    """
    return cut_table(_read("load_wine"), 0.2, seed)


def _read(loader: str, image: tuple[int, ...] = ()) -> Parts:
    from sklearn import datasets

    inputs, labels = getattr(datasets, loader)(return_X_y=True)
    inputs = torch.from_numpy(np.asarray(inputs, dtype=np.float64))
    return inputs.reshape(len(inputs), *image) if image else inputs, torch.from_numpy(labels)
