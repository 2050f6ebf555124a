"""What every test shares: what to leave out on this machine, said in one line each.

Nothing is skipped silently: a test that cannot run here is deselected by its marker, and the
summary names the reason.
"""

import os
import signal
from pathlib import Path

# A shell that starts a job in the background has it ignore Ctrl-C, which tests send to themselves.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Before anything imports NumPy or PyTorch: two workers with two threads each would only wait.
for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_variable, "1")

import pytest

from tests.book.site import missing_for_browser
from unlearning.companion.allocation import keep_freed_memory

keep_freed_memory()  # in the kernels that repeat the chapters, as where a chapter is run


def _missing_gpu() -> str:
    import torch

    return "" if torch.cuda.is_available() else "no NVIDIA GPU is at hand"


def _missing_mnist() -> str:
    folder = os.environ.get("UNLEARNING_DATA")
    if not folder:
        return "UNLEARNING_DATA is not set"
    return "" if (Path(folder) / "MNIST" / "raw").is_dir() else f"no MNIST/raw in {folder}"


def _missing_published() -> str:
    folder = Path(os.environ.get("UNLEARNING_DATA") or ".")
    sets = ["Adult", "CIFAR10", "FashionMNIST", "Obesity"]
    missing = [name for name in sets if not (folder / name).is_dir()]
    return f"no {', '.join(missing)} in UNLEARNING_DATA" if missing else ""


def _missing_browser() -> str:
    # In CI a missing browser must fail the tests, not excuse them.
    return "" if os.environ.get("REQUIRE_BROWSER") else missing_for_browser()


NEEDS = {
    "gpu": _missing_gpu,
    "mnist": _missing_mnist,
    "published": _missing_published,
    "browser": _missing_browser,
}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config, items):
    """Deselects, by marker, what needs something that is not at hand."""
    left_out: dict[str, list[str]] = {}
    for marker, missing in NEEDS.items():
        marked = [item for item in items if item.get_closest_marker(marker)]
        reason = missing() if marked else ""
        if reason:
            config.hook.pytest_deselected(items=marked)
            items[:] = [item for item in items if item not in marked]
            left_out[f"{marker}: {reason}"] = [item.nodeid for item in marked]
    config.stash[LEFT_OUT] = left_out
    # With pytest-xdist the workers collect; the main process prints.
    if hasattr(config, "workeroutput"):
        config.workeroutput["left_out"] = left_out


LEFT_OUT = pytest.StashKey[dict]()


class _FromWorkers:
    """Takes over what a worker of pytest-xdist left out."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node, error):
        left_out = getattr(node, "workeroutput", {}).get("left_out")
        if left_out:
            node.config.stash[LEFT_OUT] = left_out


def pytest_configure(config):
    config.pluginmanager.register(_FromWorkers())


def pytest_terminal_summary(terminalreporter, config):
    for reason, tests in config.stash.get(LEFT_OUT, {}).items():
        terminalreporter.write_line(
            f"NOT RUN: {len(tests)} tests ({reason})", yellow=True, bold=True
        )
