"""The commands `unlearning delete`, `release` and `audit`: a deletion service from the shell.

Exit codes: 0 done; 1 the audit has found something wrong; 2 refused, stderr says why; 130
interrupted.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from unlearning.service.service import DeletionService

Store = Annotated[Path, typer.Option("--store", help="Folder of the deletion service.")]
Timeout = Annotated[float, typer.Option(help="Seconds to wait while another process works there.")]
FORMATS = (".npy", ".safetensors")


def delete(
    samples: Annotated[list[int], typer.Argument(help="Numbers of the samples to delete.")],
    store: Store,
    request: Annotated[str, typer.Option(help="Id of the request; again, it does nothing more.")],
    timeout: Timeout = 10.0,
) -> None:
    """Deletes samples from a deletion service and prints the receipt (JSON).

    The same request may be sent again: it is carried out once, and its receipt printed each time.
    """
    with _opened(store, timeout) as service:
        receipt = service.delete(samples, request=request)
    typer.echo(receipt.as_json())


def release(
    store: Store,
    out: Annotated[Path, typer.Option("--out", help="New file, .npy or .safetensors.")],
    timeout: Timeout = 10.0,
) -> None:
    """Writes the present weights of a deletion service, with noise if it is certified.

    A .safetensors file holds them as one row, with its checksum beside it.
    """
    with _opened(store, timeout) as service:
        _refuse_target(out)  # before a release is counted
        weights = service.release()
        if out.suffix == ".npy":
            import numpy as np

            np.save(out, weights)
        else:
            from unlearning.base.blocks import write_block

            write_block(out, weights[None], weights.dtype.name)
    typer.echo(f"wrote {out}")


def audit(store: Store, timeout: Timeout = 10.0) -> None:
    """Reads every file of a deletion service and prints what is there and what is wrong (JSON)."""
    with _opened(store, timeout) as service:
        found = service.audit()
    typer.echo(json.dumps(found.as_dict(), indent=2))
    if not found.sound:
        raise typer.Exit(1)


@contextmanager
def _opened(store: Path, timeout: float) -> Iterator["DeletionService"]:
    from unlearning.service.service import DeletionService

    try:
        with DeletionService.open(store, timeout=timeout) as service:
            yield service
    except ValueError as error:
        _refuse(str(error), 2)
    except OSError as error:
        _refuse(f"{error.filename or store}: {error.strerror or error}", 2)
    except KeyboardInterrupt:
        _refuse("interrupted; the same request again tells whether it was carried out", 130)


def _refuse_target(out: Path) -> None:
    if out.suffix not in FORMATS:
        raise ValueError(f"--out: expected a name in {' or '.join(FORMATS)}, got {str(out)!r}")
    folder = out.absolute().parent
    if out.exists() or not folder.is_dir() or not os.access(folder, os.W_OK):
        wanted = "a new file in a folder that can be written to"
        raise ValueError(f"--out: expected {wanted}, got {str(out)!r}")


def _refuse(message: str, code: int) -> None:
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(code) from None
