"""What `unlearning recollect` does: all approximators of a problem that a small file describes.

PyTorch is imported only where work is done, so that the command starts fast.
"""

import os
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from unlearning.base import checks, memory
from unlearning.base.durable import find_manifest
from unlearning.companion.parameters import Parameter, check_parameters, parameters_from_file

SCHEDULE = ("step_size", "decay", "batch_size", "epochs", "clip", "reshuffle", "seed")
#: What a problem file says: all of it, so that a store never depends on a default.
KEYS = {
    parameter.name: parameter
    for parameter in (
        Parameter("dataset", "digits"),
        Parameter("model", "logistic"),
        Parameter("n_train", 1),
        Parameter("l2", 0.0),
        Parameter("step_size", 0.1),
        Parameter("decay", 1.0),
        Parameter("batch_size", 1),
        Parameter("epochs", 1),
        Parameter("clip", 1.0, optional=True),
        Parameter("reshuffle", True),
        Parameter("seed", 0),
        Parameter("convention", "R2"),
    )
}


def read_problem(path: Path) -> dict[str, Any]:
    """The problem in a YAML file, names and types checked, and nothing missing.

    Raises:
        ValueError: that names the key, or the known ones.
    """
    given = check_parameters(parameters_from_file(path), KEYS, of="a problem file")
    missing = [name for name in KEYS if name not in given]
    if missing:
        checks.fail(str(path), f"all of {', '.join(KEYS)}", f"no {', '.join(missing)}")
    return given


def part_from(text: str) -> tuple[int, int]:
    """The part that ``2/3`` means.

    Raises:
        ValueError: if it is of another form; which parts there are is checked with the rest.
    """
    match = re.fullmatch(r"(\d+)/(\d+)", text)
    if not match:
        checks.fail("--part", "such as 2/3, the second of three parts", repr(text))
    return int(match[1]), int(match[2])


@dataclass(frozen=True)
class Done:
    """What a recollection has left behind.

    Attributes:
        folder: of the store, or of the part.
        rows: how many vectors.
        columns: how long each is.
        dtype: as they are stored.
        stored: their bytes on the disk.
        error: largest relative rounding error of a vector.
        seconds: that it took here, training included.
        waited_for: the parts that the store is still without, in words.
    """

    folder: Path
    rows: int
    columns: int
    dtype: str
    stored: int
    error: float
    seconds: float
    waited_for: str = ""

    def __str__(self) -> str:
        """One sentence, and another if there is more to do."""
        rounded = f", rounded by {self.error:.1e} at most" if self.error else ""
        text = (
            f"{self.folder}: {self.rows} vectors of {self.columns} numbers in {self.dtype}"
            f"{rounded}, {memory.shown(self.stored)} stored; {self.seconds:.1f} s"
        )
        if self.waited_for:
            text += f"\nThe store is without {self.waited_for}."
        return text


def recollect(
    problem: Mapping[str, Any],
    folder: Path,
    *,
    device: str = "cpu",
    part: tuple[int, int] | None = None,
    **settings,
) -> Done | None:
    """Train on the problem and recollect, alone or on the ranks of ``torchrun``.

    Args:
        problem: as ``read_problem`` gives it.
        folder: for the store.
        device: ``cpu`` or ``cuda``; ranks divide the GPUs of a machine among themselves.
        part: as for ``recollect_on_ranks``.
        settings: as for ``recollect_on_ranks``; those that are None are left to it.

    Returns:
        What was done; None in every rank but the first.

    Raises:
        ValueError: for a data set or model that is none, or as ``recollect_on_ranks`` does.
        KeyboardInterrupt: after Ctrl-C.
    """
    from unlearning.hfocu.ranks import recollect_on_ranks

    settings = {name: value for name, value in settings.items() if value is not None}
    started = time.perf_counter()
    built = _built(problem, _device(device))
    _adopt_threads(folder, part)
    settings["convention"] = problem["convention"]
    whole = recollect_on_ranks(*built, folder, part=part, **settings)
    if part is None and _rank() > 0:
        return None
    return _done(folder, part if whole is None else None, time.perf_counter() - started)


def merge(folder: Path) -> Done:
    """Make one store of the finished parts in a folder.

    Raises:
        ValueError: if parts are missing or do not fit together.
    """
    from unlearning.hfocu.ranks import merge_parts

    started = time.perf_counter()
    merge_parts(folder)
    return _done(folder, None, time.perf_counter() - started)


def _built(problem: Mapping[str, Any], device: str):
    """Objective, samples and schedule of a problem."""
    import unlearning as ul
    from unlearning.companion.own_file import checked_dataset

    seed, dataset = problem["seed"], checked_dataset(problem, KEYS)
    checks.choice("model", problem["model"], ul.models.MODELS)
    schedule = ul.Schedule(**{name: problem[name] for name in SCHEDULE})
    data = ul.load(dataset, seed=seed, n_train=problem["n_train"], device=device)
    objective = ul.Objective(ul.models.build(problem["model"], data, seed=seed), l2=problem["l2"])
    return objective, data.train, schedule


def _device(name: str) -> str:
    """The device of this process; several ranks on one machine take its GPUs in turn."""
    import torch

    if name == "cpu":
        return name
    if name != "cuda" or not torch.cuda.is_available():
        checks.fail("--device", "cpu, or cuda where there is an NVIDIA GPU", repr(name))
    device = f"cuda:{int(os.environ.get('LOCAL_RANK', 0)) % torch.cuda.device_count()}"
    torch.cuda.set_device(device)
    return device


def _rank() -> int:
    return int(os.environ.get("RANK", 0))


def _adopt_threads(folder: Path, part: tuple[int, int] | None) -> None:
    """Go on with as many threads as training or part were begun with: last bits depend on it.

    By default torchrun gives each rank one thread; a part that is resumed alone has all.
    """
    import torch

    from unlearning.hfocu.ranks import part_folder

    part = part or (_rank() + 1, int(os.environ.get("WORLD_SIZE", 1)))
    for state in (part_folder(folder, part) / "state", folder / "run" / "state"):
        content = find_manifest(state)
        if content:
            torch.set_num_threads(content["circumstances"]["threads"])


def _done(folder: Path, part: tuple[int, int] | None, seconds: float) -> Done:
    from unlearning.base.shards import open_store
    from unlearning.hfocu.ranks import part_folder, unfinished_parts

    place = part_folder(folder, part) if part else folder
    rows, about = open_store(place)
    blocks = about["blocks"]
    stored = sum((place / block["file"]).stat().st_size for block in blocks)
    error = max(block["error"] for block in blocks)
    waited_for = unfinished_parts(folder, part[1]) if part else ""
    return Done(place, *rows.shape, rows.dtype, stored, error, seconds, waited_for)
