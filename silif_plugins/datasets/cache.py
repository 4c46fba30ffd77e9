"""Arrays that took long to make, kept on disk under a name that says what they are made of.

The folder is ``$SILIF_CACHE``, or ``silif_plugins`` in ``$XDG_CACHE_HOME`` or ``~/.cache``; ``SILIF_CACHE=off`` turns
caching off. It can be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import logging
import mmap
import os
import shutil
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock  # torch requires it
from numpy.typing import NDArray

logger = logging.getLogger(__name__)

Arrays = dict[str, NDArray[Any]]

SMALLEST = 1 << 24
"""Bytes of source files below which nothing is cached: reading them is as quick."""

TICK = 2_000_000_000
"""Nanoseconds within which a file system may give two changes the same time."""

_MANIFEST = "manifest"


def cached(
    name: str,
    settings: Mapping[str, Any],
    sources: Iterable[Path],
    make: Callable[[], Arrays],
    *,
    smallest: int | None = None,
) -> Arrays:
    """Return what ``make`` returns, from the cache if the same was made before.

    Entries are found by the settings and the names of the source files. One is used if each of these has the size and
    the times of change that it had, so that a changed file is never answered with old arrays: also not one that was
    written anew with an old date, as ``cp -p`` and ``rsync -t`` do, since the system keeps a time of change that
    nobody can set. Entries are checked against checksums when they are read; damaged ones are made anew. An entry
    appears under its name only when it is complete; when it cannot be written, such as on a full disk, a warning is
    logged and the arrays are returned all the same.

    Args:
        name: Start of the entry's name, for people who look into the folder.
        settings: What the arrays depend on besides the source files; JSON.
        sources: The files that ``make`` reads.
        make: Makes the arrays.
        smallest: Bytes of source files below which nothing is cached; ``SMALLEST`` by default.

    Returns:
        The arrays; those from the cache are mapped into memory, copied on write.
    """
    paths = sorted(path.absolute() for path in sources)
    folder = cache_folder()
    if folder is None or sum(path.stat().st_size for path in paths) < min(SMALLEST, smallest or SMALLEST):
        return make()
    key = json.dumps({"settings": dict(settings), "sources": list(map(str, paths))}, sort_keys=True)
    entry = folder / f"{name}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{entry}.lock")
        lock.acquire()  # a second process waits, then reads what the first has made
    except OSError as error:
        logger.warning("%s: cannot be written, nothing is cached (%s)", folder, error)
        return make()
    try:
        began = time.time_ns()
        states = [_state(path) for path in paths]
        arrays = _read(entry, states)
        if arrays is None:
            arrays = make()
            _write(entry, arrays, {"key": key, "states": states, "began": began})
        return arrays
    finally:
        lock.release()


def cache_folder() -> Path | None:
    """Return the folder of the cache; None if it is turned off."""
    chosen = os.environ.get("SILIF_CACHE")
    if chosen == "off":
        return None
    return (
        Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "silif_plugins"
    )


def _state(path: Path) -> list[int]:
    """Size and times of change of a file. Nobody can set the last one, of its content or its entry."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns]


def _read(entry: Path, states: list[list[int]]) -> Arrays | None:
    """Return the arrays of an entry, or None if there is none, it is damaged, or made of other sources."""
    if not entry.exists():
        return None
    try:
        checksum, _, text = (entry / _MANIFEST).read_text().partition("\n")
        if checksum != str(zlib.crc32(text.encode())):
            raise ValueError(f"{_MANIFEST}: the checksum is not that of when it was written")
        manifest = json.loads(text)
        if manifest["states"] != states:
            logger.info("%s: its sources have changed, made anew", entry)
            return None
        if max(state[2] for state in states) > manifest["began"] - TICK:
            # Within a tick of the file system's clock a file can change again, and its times stay.
            logger.info("%s: its sources had just been written, made anew", entry)
            return None
        for name, checksum in manifest["crc32"].items():
            if _checksum(entry / f"{name}.npy") != checksum:
                raise ValueError(f"{name}.npy: the checksum is not that of when it was written")
        return {name: np.load(entry / f"{name}.npy", mmap_mode="c", allow_pickle=False) for name in manifest["crc32"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        logger.warning("%s: damaged, made anew (%s)", entry, error)
        return None


def _write(entry: Path, arrays: Arrays, facts: Mapping[str, Any]) -> None:
    """Write an entry beside its place, then move it there."""
    temporary = entry.with_name(f".{entry.name}.tmp")
    try:
        shutil.rmtree(temporary, ignore_errors=True)  # left by a process that was killed
        temporary.mkdir()
        for name, array in arrays.items():
            with open(temporary / f"{name}.npy", "wb") as file:
                np.save(file, array, allow_pickle=False)
                file.flush()
                os.fsync(file.fileno())
        text = json.dumps({**facts, "crc32": {name: _checksum(temporary / f"{name}.npy") for name in arrays}})
        (temporary / _MANIFEST).write_text(f"{zlib.crc32(text.encode())}\n{text}")
        shutil.rmtree(entry, ignore_errors=True)
        os.replace(temporary, entry)
    except OSError as error:
        logger.warning("%s: cannot be written, the data are not cached (%s)", entry, error)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _checksum(path: Path) -> int:
    # CRC-32 finds what disks and kills do to a file, at several GB a second; SHA-256 would take longer than binning.
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return zlib.crc32(content)
