"""Generated data, for costs: of the shape of a real set, and never called by its name."""

import torch

from unlearning.problem.draws import Parts

#: Of UCI's Human Activity Recognition: training rows, test rows, features, classes.
HAR_SHAPE = (7352, 2947, 561, 6)


def har_shaped() -> tuple[Parts, Parts]:
    """Random data of the shape of UCI HAR: time and storage are those of HAR, nothing else is.

    Six clusters in 561 dimensions, squashed to -1..1. Labels are 1 to 6, as the released code
    leaves them (its network has 10 outputs). The same numbers for every seed; a seed decides the
    order of the rows only.
    """
    n, n_test, features, classes = HAR_SHAPE
    generator = torch.Generator().manual_seed(0)
    labels = 1 + torch.arange(n + n_test) % classes
    centres = torch.randn(1 + classes, features, generator=generator, dtype=torch.float64)
    noise = torch.randn(n + n_test, features, generator=generator, dtype=torch.float64)
    inputs = torch.tanh(0.3 * centres[labels] + 0.7 * noise)
    return (inputs[:n], labels[:n]), (inputs[n:], labels[n:])
