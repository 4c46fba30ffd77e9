"""Files that are either whole or absent."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path


def write_file(path: str | os.PathLike[str], content: bytes) -> None:
    """Write a file under its final name only once all of it is on the disk.

    The bytes go to a temporary file in the same folder, which is then renamed. Whatever interrupts this
    (a full disk, Ctrl-C), an older file of that name is left as it was and no temporary file stays.

    Raises:
        OSError: If it cannot be written, with the final path as its ``filename``.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise type(error)(error.errno, error.strerror or str(error), os.fspath(path)) from error
        raise


def leftovers(path: str | os.PathLike[str]) -> list[Path]:
    """Return the temporary files that `write_file` has left where a process was killed while it wrote a file.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     Path(folder, ".net.pt.123.tmp").touch()
        ...     Path(folder, ".notes.tmp").touch()
        ...     [left.name for left in leftovers(Path(folder, "net.pt"))]
        ['.net.pt.123.tmp']
    """
    path = Path(path)
    name = re.compile(re.escape(f".{path.name}.") + r"\d+\.tmp")
    return [file for file in path.parent.iterdir() if name.fullmatch(file.name)]
