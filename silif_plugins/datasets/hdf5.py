"""Recordings in the HDF5 layout of the Spiking Heidelberg Digits (SHD) and Spiking Speech Commands (SSC).

========================  ==============================================================
``spikes/times``          for every recording its event times in seconds, float16 as SHD
``spikes/units``          for every recording the channels of its events, uint16
``labels``                class index of every recording, uint16
``extra/speaker``         speaker index of every recording, uint16 (SSC has none)
``extra/keys``            names of the classes, bytes
========================  ==============================================================

Files written here also say their number of channels, in the attribute ``num_channels`` of the root, which SHD's do not.
"""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ..files import write_file
from ..optional import require
from . import hdf5_process
from .errors import DataError
from .events import Recordings

SHD_CHANNELS = 700
"""Number of channels of SHD and SSC, whose files do not say it."""

_FIELDS = {"times": "spikes/times", "units": "spikes/units", "labels": "labels", "speakers": "extra/speaker"}


def read_recordings(path: str | os.PathLike[str], *, num_channels: int | None = None) -> Recordings:
    """Read a file in SHD's layout into memory.

    A process of its own reads it, in bounded time and memory: damaged files can make the HDF5 library loop or crash.

    Args:
        path: The file.
        num_channels: Number of channels. By default what the file says, or 700 if it is silent.

    Raises:
        FileNotFoundError: If there is no such file.
        DataError: If it is truncated, not HDF5, lacks a field, holds values out of range, or declares more than its
            size can hold; a ValueError that names file and field.
        ModuleNotFoundError: If h5py is not installed.

    Examples:
        >>> import tempfile
        >>> recordings = Recordings([[0.5]], [[3]], [0], classes=["zero"], num_channels=4)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_recordings(f"{folder}/tiny.h5", recordings)
        ...     read_recordings(f"{folder}/tiny.h5")
        Recordings(1 recordings, 1 events, 4 channels, 1 classes)
    """
    require("h5py", extra="data", purpose="Reading HDF5 files")
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        facts, arrays = hdf5_process.read(path)
    except hdf5_process.Damaged as error:
        field, problem = error.args
        raise DataError(field, problem, path) from error

    attribute = facts["num_channels"]
    if num_channels is None:
        num_channels = SHD_CHANNELS if attribute is None else int(attribute)
    elif attribute not in (None, num_channels):
        raise DataError("num_channels", f"{num_channels} asked for, but the file has {attribute}", path)
    times, units = (
        np.split(arrays[field], np.cumsum(arrays[f"lengths of {field}"]))[:-1]
        for field in ("spikes/times", "spikes/units")
    )
    try:
        return Recordings(
            times,
            units,
            arrays["labels"],
            classes=facts["classes"],
            num_channels=num_channels,
            speakers=arrays.get("extra/speaker"),
            path=path,
        )
    except DataError as error:
        raise DataError(_FIELDS.get(error.field, error.field), error.problem, path) from error


def write_recordings(
    path: str | os.PathLike[str], recordings: Recordings, *, time_dtype: DTypeLike = np.float16
) -> None:
    """Write recordings in SHD's layout; the file appears under its name only when it is complete.

    Args:
        path: The file; one that is there is replaced.
        recordings: What to write.
        time_dtype: Float type of the times. SHD's own is float16: exact to 0.25 ms below 1 s and 0.5 ms below 2 s.

    Raises:
        OSError: If it cannot be written, such as on a full disk. Then neither a half-written nor a temporary
            file is left.
        DataError: If a time does not fit ``time_dtype``.
        ModuleNotFoundError: If h5py is not installed.
    """
    h5py = require("h5py", extra="data", purpose="Writing HDF5 files")
    with np.errstate(over="ignore"):
        times = recordings.flat_times.astype(time_dtype)
    if not np.isfinite(times).all():
        got = f"got {recordings.flat_times.max()} s"
        raise DataError("times", f"{got}, but {np.dtype(time_dtype)} holds at most {np.finfo(time_dtype).max} s")
    units = _narrow(recordings.flat_units, recordings.num_channels - 1)
    # HDF5 is made in memory: the library cannot tell cleanly of a full disk while it closes a file, plain writing can.
    with h5py.File("in memory", "w", driver="core", backing_store=False) as file:
        file.attrs["num_channels"] = recordings.num_channels
        _write_lists(h5py, file, "spikes/times", times, recordings.starts)
        _write_lists(h5py, file, "spikes/units", units, recordings.starts)
        file["labels"] = _narrow(recordings.labels)
        file["extra/speaker"] = _narrow(recordings.speakers)
        file["extra/keys"] = np.array([name.encode() for name in recordings.classes])
        file.flush()
        content: bytes = file.id.get_file_image()
    write_file(path, content)


def _narrow(values: NDArray[Any], largest: int | None = None) -> NDArray[Any]:
    """SHD's own type, where the values fit it."""
    largest = int(values.max(initial=0)) if largest is None else largest
    return values.astype(np.uint16 if largest < 1 << 16 else np.int64)


def _write_lists(h5py: Any, file: Any, field: str, flat: NDArray[Any], starts: NDArray[np.int64]) -> None:
    dataset = file.create_dataset(field, (len(starts) - 1,), dtype=h5py.vlen_dtype(flat.dtype))
    for index, (first, last) in enumerate(pairwise(starts)):
        dataset[index] = flat[first:last]
