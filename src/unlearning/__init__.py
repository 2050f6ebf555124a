"""Reference companion to Hessian-Free Online Certified Unlearning and SAPS.

The verbs of the book: ``load``, ``train``, ``recollect``, ``forget``, ``retrain``, ``distance``.
Names are imported when first used, so that the command line starts without loading PyTorch.
"""

import importlib

from unlearning._homes import HOMES

_HOME_OF = {name: home for home, names in HOMES.items() for name in names}
__all__ = sorted(_HOME_OF)


def __getattr__(name: str):
    """Import a public name from its home on first use."""
    if name not in _HOME_OF:
        raise AttributeError(f"module 'unlearning' has no attribute {name!r}")
    home = importlib.import_module(f"unlearning.{_HOME_OF[name]}")
    found = home if name == "models" else getattr(home, name)
    globals()[name] = found  # the next use does not come here again
    return found


def __dir__():
    """The public names, whether imported yet or not."""
    return __all__
