"""Correcting features and labels by influence updates, of all weights or of a chosen few.

Warnecke et al. (2023) update all weights; SAPS (Malekmohammadi et al. 2025) those of a set S. With
G and the Hessian of ``saps/change``::

    first order     w_S - tau G_S
    second order    w_S - (H_SS + damping I)^{-1} G_S

and all weights outside S stay as they are, to the bit.
"""

import torch

from unlearning.curvature.rows import BATCH
from unlearning.problem.samples import Samples
from unlearning.saps.change import Change, Corrected
from unlearning.training.retained import Learned


def correct(
    learned: Learned,
    rows,
    corrected: Samples | None,
    *,
    order: int,
    select=None,
    curvature: str = "hessian",
    convention: str = "R2",
    hessian_on: str = "corrected",
    dtype: torch.dtype = torch.float64,
    batch: int = BATCH,
    **step,
) -> Corrected:
    """Correct some rows in what has been learned, without training again.

    The second order on all weights, without damping, is exact for a quadratic at its minimiser, if
    the Hessian is that of the corrected data; on S it is then the minimiser over ``w + span(S)``.
    With dropped rows it is the Newton step, or with ``hessian_on="original"`` the infinitesimal
    jackknife, in their one-term forms. For many corrections of one change, ``Change`` computes what
    they share once.

    Args:
        learned: a ``Run`` or a ``Minimum``: anything with ``objective``, ``samples``, ``weights``.
        rows: sample numbers, distinct.
        corrected: the corrected versions of these rows, one for each; None drops the rows.
        order: 1 or 2.
        select: S, the weights that may move: a bool mask ``[d]`` or distinct integers; all by
            default.
        curvature: ``hessian``, or ``ggn`` for the generalised Gauss-Newton matrix, which is never
            indefinite.
        convention: of dropped rows, R1, R2 or R3.
        hessian_on: the ``corrected`` data, or the ``original`` data (the published shortcut).
        dtype: float64 or float32, in which everything is computed.
        batch: samples looked at together.
        step: ``step_size`` (tau, needed for order 1 and for no other); for order 2 ``damping`` (0),
            ``solver`` (``auto``: dense for up to 64 weights, or 512 with ``ggn``, or where a matrix
            is written out, else cg; ``dense``, ``cg``, ``lissa``), of cg and LiSSA ``rtol`` (1e-10)
            and ``maxiter`` (1000), and of LiSSA ``scale`` (its sigma; by default the largest
            eigenvalue). Damping is what is added to the matrix, whatever the solver: LiSSA's own
            is ``damping/scale``.
            Where the released code of Warnecke et al. has sigma and delta for a Hessian SUMMED over
            a batch of b rows, write ``scale=sigma/b, damping=sigma*delta/b``; its step is then n/b
            times the one here.

    Returns:
        The corrected weights and what they cost. Nothing that was passed in is changed.

    Raises:
        UnsolvedError: (a ``ValueError``) if the restricted matrix is not positive definite, or a
            solver does not converge. Conjugate gradients notice a singular matrix only if G_S does
            not lie in its range.
        ValueError: for rows, corrected rows, a set or a setting of another form, or if the
            corrected weights are not finite.
    """
    how = {"curvature": curvature, "convention": convention, "hessian_on": hessian_on}
    change = Change(learned, rows, corrected, dtype=dtype, batch=batch, **how)
    return change.correct(order=order, select=select, **step)
