"""What the released baselines do otherwise, each switch by name."""

from collections.abc import Iterable, Mapping

from unlearning.base import checks

#: Of the Newton step and the infinitesimal jackknife.
NEWTON_QUIRKS = {
    "broadcast_step": "entry j of the step is added to every entry of parameter tensor j, and the "
    "other entries of the step to nothing",
    "mean_gradient": "the mean of the forget set's gradients takes the place of their sum",
    "no_penalty": "the penalty is left out of the Hessian and of the gradients",
    "double_damping": "the damping is added twice",
}
#: The released behaviour for logistic regression; other models have ``double_damping`` as well.
NEWTON_AS_RELEASED = ("broadcast_step", "mean_gradient", "no_penalty")
#: Of fine-tuning.
FINE_TUNE_QUIRKS = {"restarted_decay": "the step size starts from eta_0 again in every epoch"}
#: Of NegGrad.
NEG_GRAD_QUIRKS = {"ascended_penalty": "the penalty is climbed along with the loss"}


def checked(quirks: Iterable[str], known: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names as a tuple.

    Raises:
        ValueError: if they are no list of known names.
    """
    if isinstance(quirks, str) or not isinstance(quirks, Iterable):
        checks.fail("quirks", f"a list of names out of {', '.join(known)}", repr(quirks))
    return tuple(checks.choice("quirks", name, known) for name in quirks)
