"""Files that are there whole or not at all, whenever the process is killed."""

import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from unlearning.base.checks import fail

FORMAT = 1
MANIFEST = "manifest.json"


def flush(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def replace(path: Path, write: Callable[[Path], Any]) -> None:
    """Let ``write`` fill a file beside ``path``, and rename it to ``path`` once it is on disk."""
    part = path.with_name(path.name + ".part")
    try:
        write(part)
        flush(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    flush(path.parent)


def write_manifest(folder: str | Path, content: dict, name: str = MANIFEST) -> None:
    """Write ``content`` as JSON; killed at any moment, the old or the new file is there, whole.

    Args:
        folder: an existing folder.
        content: plain values (JSON); the keys ``format`` and ``crc`` are set here.
        name: of the file.

    Raises:
        ValueError: if ``content`` holds something that JSON cannot; the old file then stays.
    """
    try:
        # As it will be read: tuples become lists, and keys strings.
        content = json.loads(json.dumps(content))
    except (TypeError, ValueError) as error:
        fail("content", "plain values (JSON)", error)
    content.pop("crc", None)
    content["format"] = FORMAT
    text = json.dumps({**content, "crc": _crc(content)}, indent=1) + "\n"
    replace(Path(folder, name), lambda part: part.write_text(text, encoding="utf-8"))


def read_manifest(folder: str | Path, name: str = MANIFEST) -> dict:
    """Return what `write_manifest` was given, and ``format``.

    Raises:
        ValueError: that names the file, if it is missing, unreadable, malformed, changed or of
            another format.
    """
    content = find_manifest(folder, name)
    if content is None:
        fail(str(Path(folder, name)), "a manifest", "no such file")
    return content


def find_manifest(folder: str | Path, name: str = MANIFEST) -> dict | None:
    """As `read_manifest`, but None if there is none (by now: another process may remove it)."""
    path = Path(folder, name)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version, crc = content["format"], content.pop("crc")
    except FileNotFoundError:
        return None
    except OSError as error:
        fail(str(path), "a manifest that can be read", error.strerror)
    except (ValueError, KeyError, TypeError) as error:
        fail(str(path), "a manifest (JSON)", f"{type(error).__name__}: {error}")
    if version != FORMAT:
        fail(str(path), f"a manifest of format {FORMAT}", f"format {version!r}")
    if crc != _crc(content):
        fail(str(path), "what was written", "something else (its checksum differs)")
    return content


def _crc(content: dict) -> int:
    return zlib.crc32(json.dumps(content).encode())
