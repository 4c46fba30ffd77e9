"""Files of a data set in the folder that the user names."""

from __future__ import annotations

import os
from pathlib import Path


def find_files(folder: str | os.PathLike[str], pattern: str, *, inside: str = "") -> list[Path]:
    """Return the files of a glob pattern in a folder, sorted.

    ``~`` is the user's home. Hidden files are left out: macOS keeps a ``._x.h5`` beside ``x.h5`` on foreign disks.

    Args:
        folder: The folder.
        pattern: Name or glob pattern.
        inside: Where other libraries put such files within the folder; it is looked into if the folder has none.

    Examples:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     pathlib.Path(folder, "SHD").mkdir()
        ...     pathlib.Path(folder, "SHD", "shd_test.h5").touch()
        ...     [file.name for file in find_files(folder, "shd_*.h5", inside="SHD")]
        ['shd_test.h5']
    """
    place = Path(folder).expanduser()
    for each in dict.fromkeys((place, place / inside)):
        found = sorted(file for file in each.glob(pattern) if file.is_file() and not file.name.startswith("."))
        if found:
            return found
    return []


def packed(folder: str | os.PathLike[str], pattern: str, *, inside: str = "") -> str:
    """Say which packed files of a pattern are there to be unpacked, as the end of an error message; or nothing."""
    files = [file for end in ("gz", "zip") for file in find_files(folder, f"{pattern}.{end}", inside=inside)]
    return f"; unpack {', '.join(map(str, files))} first" if files else ""
