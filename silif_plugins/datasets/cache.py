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


def cached(name: str, settings: Mapping[str, Any], sources: Iterable[Path], make: Callable[[], Arrays]) -> Arrays:
    """Return what ``make`` returns, from the cache if the same was made before.

    Entries are found by the settings and by name, size and time of change of the source files, so that a changed
    file or setting is never answered with old arrays. They are checked against a checksum when they are read;
    damaged ones are made anew. An entry appears under its name only when it is complete; when it cannot be written,
    such as on a full disk, a warning is logged and the arrays are returned all the same.

    Args:
        name: Start of the entry's name, for people who look into the folder.
        settings: What the arrays depend on besides the source files; JSON.
        sources: The files that ``make`` reads.
        make: Makes the arrays.

    Returns:
        The arrays; those from the cache are mapped into memory, copied on write.
    """
    facts = _facts(settings, sources)
    folder = cache_folder()
    if folder is None or sum(size for _, size, _ in facts["sources"]) < SMALLEST:
        return make()
    text = json.dumps(facts, sort_keys=True)
    entry = folder / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(f"{entry}.lock")
        lock.acquire()  # a second process waits, then reads what the first has made
    except OSError as error:
        logger.warning("%s: cannot be written, nothing is cached (%s)", folder, error)
        return make()
    try:
        arrays = _read(entry)
        if arrays is None:
            arrays = make()
            _write(entry, arrays, facts)
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


def _facts(settings: Mapping[str, Any], sources: Iterable[Path]) -> dict[str, Any]:
    listed = []
    for path in sorted(sources):
        status = path.stat()
        listed.append((str(path.absolute()), status.st_size, status.st_mtime_ns))
    return {"settings": dict(settings), "sources": listed}


def _read(entry: Path) -> Arrays | None:
    """Return the arrays of an entry, or None if there is none or it is damaged."""
    if not entry.exists():
        return None
    try:
        checksums = json.loads((entry / "crc32.json").read_text())
        for name, checksum in checksums.items():
            if _checksum(entry / f"{name}.npy") != checksum:
                raise ValueError(f"{name}.npy: the checksum is not that of when it was written")
        return {name: np.load(entry / f"{name}.npy", mmap_mode="c", allow_pickle=False) for name in checksums}
    except (OSError, ValueError, AttributeError) as error:
        logger.warning("%s: damaged, made anew (%s)", entry, error)
        shutil.rmtree(entry, ignore_errors=True)
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
        checksums = {name: _checksum(temporary / f"{name}.npy") for name in arrays}
        (temporary / "crc32.json").write_text(json.dumps(checksums))
        (temporary / "made_of.json").write_text(json.dumps(facts))
        os.replace(temporary, entry)
    except OSError as error:
        logger.warning("%s: cannot be written, the data are not cached (%s)", entry, error)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _checksum(path: Path) -> int:
    # CRC-32 finds what disks and kills do to a file, at several GB a second; SHA-256 would take longer than binning.
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return zlib.crc32(content)
