"""HF-OCU against the Newton step in the record of chapter 9, rate by rate, over the seeds."""

import numpy as np
import pandas as pd
from scipy import stats

from unlearning.companion import record

PAPER = record.load("verification-mnist-logistic")
ROWS = pd.DataFrame(row for row in PAPER["values"] if "accuracy" in row)
NEWTON = ["Newton, one-term", "Newton, full"]


def gaps(order, convention, other):
    """HF-OCU's share less that of the closer of `other`: sizes by seeds."""
    here = ROWS[(ROWS["order"] == order) & (ROWS["convention"] == convention)]
    wide = here.pivot_table("distance", ["m", "seed"], "method")
    return ((wide["HF-OCU"] - wide[other].min(axis=1)) / wide["do nothing"]).unstack()


def outcomes(order, convention, other):
    """For each size the sign of the paired difference, 0 where its 95% interval holds 0."""
    less = gaps(order, convention, other)
    t, p = stats.ttest_1samp(less, 0, axis=1)
    return dict(zip(less.index, np.sign(t) * (p < 0.05), strict=True))
