"""Reading HDF5 files in a process of their own, with bounds on its time and memory.

The HDF5 library loops for ever on some damaged files and crashes on others. So this file is also a script, which
imports h5py and NumPy alone: it reads one file and writes its content to stdout, a line of JSON, then the arrays.

Nothing is taken at its word: a small file can declare any size, name the same list many times, or send the library on
to other files.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import subprocess
import sys
import threading
import time
from io import BufferedReader
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

SECONDS, BYTES_A_SECOND = 4, 10_000_000
"""Of the processor that reading takes at most, and the least of the file that it reads in a second."""

_MEMORY = 1 << 30
_PATIENCE = 20  # seconds by the clock for one of the processor
_AT_ONCE = 64  # lists that are read before their total is looked at
_BYTES_AN_ENTRY = 16  # of a list in a table of lists

Content = tuple[dict[str, Any], dict[str, NDArray[Any]]]


class Damaged(Exception):
    """A file that is not what it should be: field and problem."""


def read(path: Path) -> Content:
    """Read the fields of a file in SHD's layout in another process.

    Returns:
        What the file says: ``num_channels`` (None if it does not) and ``classes``. And arrays by the name of the field:
        ``labels``, ``extra/speaker`` (absent if it is), and for the lists ``spikes/times`` and ``spikes/units`` the
        lists one after the other, with their lengths under ``lengths of spikes/times`` and so on.

    Raises:
        Damaged: If it cannot be read; field and problem.
        OSError: If no process can be started.
    """
    if not sys.executable:  # embedded in another program
        return read_here(path)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"}
    seconds = SECONDS + os.path.getsize(path) // BYTES_A_SECOND
    command = [sys.executable, "-P", __file__, os.fspath(path.absolute()), str(seconds)]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environment
    )
    assert process.stdout is not None
    timer = threading.Timer(_PATIENCE * seconds, process.kill)
    timer.start()
    try:
        line = process.stdout.readline()
        said: dict[str, Any] = json.loads(line) if line.endswith(b"\n") else {"damaged": _death(process, seconds)}
        if "damaged" in said:
            raise Damaged(*said["damaged"])
        arrays: dict[str, NDArray[Any]] = {}
        for field, dtype, number in said.pop("arrays"):
            content = bytearray(number * np.dtype(dtype).itemsize)
            if cast(BufferedReader, process.stdout).readinto(content) != len(content):
                raise Damaged(*_death(process, seconds))
            arrays[field] = np.frombuffer(content, dtype)
        return said, arrays
    finally:
        timer.cancel()
        process.kill()
        process.stdout.close()
        process.wait()


def _death(process: subprocess.Popen[bytes], seconds: int) -> tuple[str, str]:
    code = process.wait()
    if code in (-9, -24):  # killed by the timer, or by the system for using the processor too long
        return "file", f"cannot be read in {seconds} s, is it damaged?"
    return "file", f"cannot be read, is it damaged? (the HDF5 library ends with code {code})"


def read_here(path: Path) -> Content:
    """Read a file in this process; see `read`."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            size = os.path.getsize(path)
            facts: dict[str, Any] = {"num_channels": _count(file.attrs.get("num_channels"))}
            arrays: dict[str, NDArray[Any]] = {}
            for field in ("spikes/times", "spikes/units"):
                arrays[f"lengths of {field}"], arrays[field] = _lists(_dataset(file, field, size), field, size)
            for field in ("labels", "extra/speaker"):
                if field == "labels" or field in file:
                    arrays[field] = _numbers(_dataset(file, field, size), field)
            facts["classes"] = _names(_dataset(file, "extra/keys", size), size)
            return facts, arrays
    except Damaged:
        raise
    except Exception as error:  # which one depends on the byte that is damaged
        raise Damaged("file", f"cannot be read as HDF5, is it truncated or damaged? ({error})") from error


def _count(value: Any) -> int | None:
    if value is None:
        return None
    if not np.issubdtype(np.asarray(value).dtype, np.integer) or np.ndim(value):
        raise Damaged("num_channels", f"got {value!r}, but it must be one integer")
    return int(value)


def _dataset(file: Any, field: str, size: int) -> Any:
    """Find a field of one dimension whose size and place the file can account for."""
    import h5py

    found = file
    for part in field.split("/"):
        link = found.get(part, getlink=True) if isinstance(found, h5py.Group) else None
        if link is None:
            raise Damaged(field, f"missing; the file has {_all_names(file)}")
        if not isinstance(link, h5py.HardLink):  # it may lead to another file
            raise Damaged(field, "is a link to another place")
        found = found[part]
    if not isinstance(found, h5py.Dataset) or found.shape is None:
        raise Damaged(field, f"missing; the file has {_all_names(file)}")
    if found.ndim != 1:
        raise Damaged(field, f"has {found.ndim} dimensions, but it must have one")
    if found.external or found.is_virtual:
        raise Damaged(field, "is kept in another file")
    if len(found) * max(1, found.dtype.itemsize) > _BYTES_AN_ENTRY * size:
        raise Damaged(field, f"says it has {len(found)} entries, but the file has {size} bytes")
    return found


def _lists(dataset: Any, field: str, size: int) -> tuple[NDArray[np.int64], NDArray[Any]]:
    import h5py

    dtype = h5py.check_vlen_dtype(dataset.dtype)
    if not isinstance(dtype, np.dtype) or dtype.kind not in "fiu":
        raise Damaged(field, f"holds {dataset.dtype}, but it must hold lists of numbers")
    lists: list[NDArray[Any]] = []
    total = 0
    for first in range(0, len(dataset), _AT_ONCE):
        block = dataset[first : first + _AT_ONCE]
        lists.extend(block)
        total += sum(each.nbytes for each in block)
        if total > size:  # the same list, named again and again
            raise Damaged(field, f"holds more than the {size} bytes of the file")
    lengths = np.array([len(each) for each in lists], np.int64)
    return lengths, np.concatenate([np.zeros(0, dtype), *lists])


def _numbers(dataset: Any, field: str) -> NDArray[Any]:
    if dataset.dtype.kind not in "fiu":
        raise Damaged(field, f"got type {dataset.dtype}, but they must be integers")
    numbers: NDArray[Any] = dataset[:]
    return numbers


def _names(dataset: Any, size: int) -> list[str]:
    names: list[str] = []
    for first in range(0, len(dataset), _AT_ONCE):
        for key in dataset[first : first + _AT_ONCE]:
            try:
                names.append(key.decode() if isinstance(key, bytes) else str(key))
            except UnicodeDecodeError as error:
                raise Damaged("extra/keys", f"holds a name that is not UTF-8 ({error})") from error
        if sum(map(len, names[first:])) > size:
            raise Damaged("extra/keys", f"holds more than the {size} bytes of the file")
    return names


def _all_names(file: Any) -> list[str]:
    names: list[str] = []

    def note(name: str) -> bool | None:
        names.append(name)
        return len(names) == 20 or None  # anything but None ends the visit

    file.visit(note)
    return sorted(names)


def _limit(path: Path, seconds: int) -> None:
    """Bound what this process may use, where the system can."""
    with contextlib.suppress(ImportError):
        import resource

        def lower(kind: int, value: int) -> None:
            hard = resource.getrlimit(kind)[1]
            resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))

        lower(resource.RLIMIT_CORE, 0)
        lower(resource.RLIMIT_CPU, math.ceil(time.process_time()) + seconds)
        with contextlib.suppress(OSError):  # only Linux says how much it uses
            used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
            lower(resource.RLIMIT_AS, used + _MEMORY + 16 * os.path.getsize(path))


def main() -> None:
    """Read the file of the command line, in the seconds that it grants; write its content to stdout."""
    out = sys.stdout.buffer
    try:
        import h5py  # noqa: F401 - before the limits, which are for the file

        path = Path(sys.argv[1])
        _limit(path, int(sys.argv[2]))
        facts, arrays = read_here(path)
        listed = [(field, array.dtype.str, array.size) for field, array in arrays.items()]
    except Damaged as error:
        out.write(json.dumps({"damaged": error.args}).encode() + b"\n")
        return
    out.write(json.dumps({**facts, "arrays": listed}).encode() + b"\n")
    for array in arrays.values():
        out.write(np.ascontiguousarray(array).data)
    out.flush()


if __name__ == "__main__":
    main()
