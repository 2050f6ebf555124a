"""What identifies a run: hashes of its configuration and tensors, versions and hardware.

PyTorch is imported only where it is asked about, so that pages can be built without it.
"""

import hashlib
import importlib.metadata
import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

from unlearning.base.revision import revision

PACKAGE = Path(__file__).resolve().parents[1]
VERSIONED = (
    "unlearning-companion",
    "torch",
    "torchvision",
    "numpy",
    "pandas",
    "scikit-learn",
    "scipy",
)


def repository_root() -> Path | None:
    """The clone this package was installed from in place, or None for any other installation."""
    root = PACKAGE.parents[1]
    return root if (root / "notebooks").is_dir() and (root / "_config.yml").is_file() else None


def digest(*parts: "bytes | str | torch.Tensor") -> str:
    """A short SHA-256 over the parts and their lengths (64 bits, hexadecimal)."""
    state = hashlib.sha256()
    for part in parts:
        header, data = _as_bytes(part)
        state.update((len(header) + data.nbytes).to_bytes(8, "little") + header)
        state.update(data)
    return state.hexdigest()[:16]


def _as_bytes(part: "bytes | str | torch.Tensor") -> tuple[bytes, memoryview]:
    """What is hashed of a part: a header, and its bytes where they are, as they may be many."""
    if isinstance(part, bytes):
        return b"", memoryview(part)
    if isinstance(part, str):
        return b"", memoryview(part.encode())
    header = f"{part.dtype}{list(part.shape)}".encode()
    values = part.detach().cpu().contiguous().reshape(-1)
    return header, memoryview(values.numpy()).cast("B") if len(values) else memoryview(b"")


def circumstances(device: "torch.device") -> dict[str, Any]:
    """What decides the last bits of a result, so that work goes on only under the same."""
    import torch

    return {
        "threads": torch.get_num_threads(),
        "precision": torch.get_float32_matmul_precision(),
        "torch": torch.__version__,
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
    }


def configuration_hash(configuration: Mapping[str, Any]) -> str:
    """Hash of a configuration of plain values; the order of its keys does not count."""
    return digest(json.dumps(configuration, sort_keys=True))


def commit() -> str:
    """The commit of the clone, with ``+changes`` if its tracked files differ; or ``unknown``.

    Records do not count: they are what runs leave behind, one while the next is being made.
    """
    root = repository_root()
    return str((root and revision(root, outputs=("results/",))) or "unknown")


def machine() -> dict[str, Any]:
    """Versions and hardware, as plain values."""
    return {
        "python": platform.python_version(),
        "versions": {name: importlib.metadata.version(name) for name in VERSIONED},
        "system": platform.system(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
    }


def environment() -> dict[str, Any]:
    """Versions, hardware and thread count of this process, as plain values for a record."""
    import torch

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return machine() | {
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "threads": torch.get_num_threads(),
        "gpu": gpu,
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor()
