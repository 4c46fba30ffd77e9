"""Reading .npy and .npz files: without unpickling, and without taking the memory that a damaged header asks for."""

from __future__ import annotations

import math
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from ..memory import excess
from .errors import DataError

ENDS = (".npy", ".npz")


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read the arrays of a file: those of an .npz by their names, that of an .npy by an empty one.

    Raises:
        DataError: If it is damaged, holds Python objects, which need unpickling, or does not fit into memory.
        OSError: If it cannot be read at all.

    Examples:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     np.savez(f"{folder}/one.npz", frames=np.eye(2), label=3)
        ...     {name: array.shape for name, array in read_arrays(Path(folder, "one.npz")).items()}
        {'frames': (2, 2), 'label': ()}
    """
    if problem := excess(path.stat().st_size):
        raise DataError("file", problem, path)
    content = path.read_bytes()
    if path.suffix.lower() == ".npy":
        return {"": _array(content, "array", path)}
    try:
        with zipfile.ZipFile(BytesIO(content)) as archive:
            return {_name(each): _array(_member(archive, each, path), _name(each), path) for each in archive.infolist()}
    except DataError:
        raise
    except Exception as error:  # which one depends on the byte that is damaged
        raise DataError("npz", f"damaged, or not an .npz file ({error})", path) from error


def _name(member: zipfile.ZipInfo) -> str:
    return member.filename.removesuffix(".npy")


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> bytes:
    if problem := excess(member.file_size):
        raise DataError(_name(member), problem, path)
    return archive.read(member)  # no more than that, and with its checksum


def _array(content: bytes, name: str, path: Path) -> NDArray[Any]:
    """Read an array, if there is as much of it as its header says."""
    file = BytesIO(content)
    try:
        version = npy.read_magic(file)
        shape, fortran, dtype = (npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0)(file)
    except Exception as error:  # which one depends on the byte that is damaged
        raise DataError(name, f"damaged, or not an .npy file ({error})", path) from error
    if dtype.hasobject:
        raise DataError(name, "holds Python objects; they would have to be unpickled, which can run code", path)
    promised, there = math.prod(shape) * dtype.itemsize, len(content) - file.tell()
    if problem := excess(promised):
        raise DataError(name, problem, path)
    if promised != there or min(shape, default=0) < 0:
        raise DataError(name, f"damaged: has {there} bytes, but {promised} for shape {shape} of {dtype}", path)
    array = np.frombuffer(bytearray(file.read()), dtype) if promised else np.zeros(shape, dtype)
    return array.reshape(shape[::-1]).T if fortran else array.reshape(shape)
