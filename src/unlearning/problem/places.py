"""Where the files of a data set are: a read-only folder of the reader's, or a cache it is put in.

``UNLEARNING_DATA`` names the first, and nothing is ever written there; ``UNLEARNING_CACHE`` the
second (by default ``~/.cache/unlearning-companion``), where what is missing is downloaded to.
"""

import contextlib
import hashlib
import os
import shutil
import tarfile
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from unlearning.base import checks, durable, locks

SECONDS = 30  # to wait for an answer
AGAIN = "without this folder the set is got again"  # advice, where one is not whole


def cache_folder() -> Path:
    """The folder for downloads; made if it is missing.

    Raises:
        ValueError: if it cannot be made or written to.
    """
    cache = os.environ.get("UNLEARNING_CACHE") or Path.home() / ".cache/unlearning-companion"
    return checks.folder("UNLEARNING_CACHE", cache)


def data_folder() -> Path | None:
    """The reader's own folder, if there is one."""
    folder = os.environ.get("UNLEARNING_DATA")
    return Path(folder) if folder else None


def find(member: str, get: Callable[[Path], None], advice: str) -> Path:
    """The path of a file or folder of a data set, such as ``Adult/adult.data``.

    Args:
        member: below ``UNLEARNING_DATA`` or the cache.
        get: puts it below the folder it is given, the cache, when it is in neither.
        advice: what a reader can do if that fails.

    Raises:
        RuntimeError: if it is not there and cannot be got; it names the folders.
        ValueError: if the cache is no folder that can be written to.
    """
    place = data_folder()
    if place is not None and (place / member).exists():
        return place / member
    with locked(member.split("/")[0]) as cache:
        if not (cache / member).exists():
            with explained(member, cache, advice):
                get(cache)
        return cache / member


@contextlib.contextmanager
def locked(name: str) -> Iterator[Path]:
    """The cache, for one process at a time: two notebooks may ask for a set at once."""
    cache = cache_folder()
    with locks.held(cache, f".{name}.lock", wait=True):
        yield cache


@contextlib.contextmanager
def explained(member: str, cache: Path, advice: str = "") -> Iterator[None]:
    """Turn a failed download into an error that says where was looked, and what can be done."""
    place = data_folder()
    looked = "no local folder" if place is None else str(place / member)
    try:
        yield
    except (RuntimeError, OSError, ImportError) as error:
        raise RuntimeError(
            f"{member.split('/')[0]}: not found in {looked} (UNLEARNING_DATA) nor in {cache} "
            f"(UNLEARNING_CACHE), and the download failed: {error}{advice and '; '}{advice}"
        ) from error


def copy(files: list[Path], folder: Path) -> None:
    """Copy files that are not in ``folder`` yet, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        if not (folder / file.name).exists():
            durable.replace(folder / file.name, partial(shutil.copyfile, file))


def download_member(url: str, member: str, cache: Path) -> None:
    """Put one file of a ``.zip`` archive at ``cache/member``.

    Raises:
        OSError: if it cannot be downloaded or is no such archive.
    """
    target = cache / member
    archive = _download(url, target.with_name(f"{target.name}.zip"))
    try:
        with zipfile.ZipFile(archive) as packed:
            content = packed.read(target.name)
    except (zipfile.BadZipFile, KeyError) as error:
        raise OSError(f"{url} holds no {target.name}: {error}") from error
    finally:
        archive.unlink()
    durable.replace(target, lambda part: part.write_bytes(content))


def download_folder(url: str, sha256: str, member: str, cache: Path) -> None:
    """Unpack the folder of a ``.tgz`` archive to ``cache/member``.

    Raises:
        OSError: if it cannot be downloaded, or is not the expected file.
    """
    target = cache / member
    archive = _download(url, target.with_name(f"{target.name}.tgz"))
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        archive.unlink()
        raise OSError(f"{url}: expected a file of SHA-256 {sha256}, got {found}")
    with tarfile.open(archive) as packed:
        unpacked(target, partial(packed.extractall, filter="data"))
    archive.unlink()


def unpacked(target: Path, write: Callable[[Path], object]) -> None:
    """Let ``write`` put a folder of that name into one beside it; move it when it is whole.

    Whenever the process is killed, ``target`` is whole, as it was, or missing; what was put beside
    it is thrown away by the next attempt.

    Args:
        target: what is there is replaced, being incomplete.
        write: is given the folder beside it, which does not exist yet.
    """
    part = target.with_name(f"{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    write(part)
    shutil.rmtree(target, ignore_errors=True)
    (part / target.name).rename(target)
    shutil.rmtree(part)


def _download(url: str, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    with urllib.request.urlopen(url, timeout=SECONDS) as answer, target.open("wb") as file:
        shutil.copyfileobj(answer, file)
    return target
