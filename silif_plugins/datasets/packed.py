"""A compact file format for recordings on a grid of 1 ms, small enough to ship inside a Python package.

An xz stream of a line of JSON (format, version, sizes, classes), then little-endian arrays one after the other:

========  ==  ================================================================================================
labels    u1  of every recording
speakers  u1  of every recording
lengths   u2  of every recording, in milliseconds
counts    u1  events in every millisecond of every recording
units     u1  channels of the events, ascending within a millisecond, as the difference from the one before
========  ==  ================================================================================================

Nothing in it can be executed. A millisecond is read back as its middle: event times are k + 0.5 ms. So no
rounding, not even to SHD's float16 (for recordings under 2 s), moves an event out of its millisecond.
"""

from __future__ import annotations

import json
import lzma
import os
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import DataError
from .events import Recordings

_FORMAT = "silif_plugins recordings"
_VERSION = 1
_LONGEST_HEADER = 1 << 16
_LARGEST = 1 << 27
"""Events and so on that are read at most: 128 million; a small file can say any number."""
_DECODER = 1 << 28


def pack(recordings: Recordings) -> bytes:
    """Pack recordings: times are cut to whole milliseconds, events sorted by millisecond, then by channel.

    Raises:
        DataError: If there are more than 256 channels, classes or speakers, or a recording lasts longer than 65 s.
    """
    recording = np.repeat(np.arange(len(recordings)), np.diff(recordings.starts))
    milliseconds = np.floor(recordings.flat_times.astype(np.float64) * 1000).astype(np.int64)
    order = np.lexsort((recordings.flat_units, milliseconds, recording))
    recording, milliseconds = recording[order], milliseconds[order]
    units = recordings.flat_units[order].astype(np.int64)

    lengths = np.zeros(len(recordings), np.int64)
    np.maximum.at(lengths, recording, milliseconds + 1)
    first_frames = np.concatenate([[0], np.cumsum(lengths)])
    frame = first_frames[recording] + milliseconds
    counts = np.bincount(frame, minlength=int(first_frames[-1]))
    differences = np.diff(units, prepend=0)
    opens_frame = np.diff(frame, prepend=-1) > 0
    differences[opens_frame] = units[opens_frame]

    header = {
        "format": _FORMAT,
        "version": _VERSION,
        "recordings": len(recordings),
        "milliseconds": len(counts),
        "events": len(units),
        "num_channels": recordings.num_channels,
        "classes": list(recordings.classes),
    }
    arrays = [
        _narrow(recordings.labels, "<u1", "labels"),
        _narrow(recordings.speakers, "<u1", "speakers"),
        _narrow(lengths, "<u2", "times"),
        _narrow(counts, "<u1", "events in a millisecond"),
        _narrow(differences, "<u1", "units"),
    ]
    content = json.dumps(header).encode() + b"\n" + b"".join(arrays)
    return lzma.compress(content, format=lzma.FORMAT_XZ, preset=9 | lzma.PRESET_EXTREME)


def unpack(content: bytes, path: str | os.PathLike[str]) -> Recordings:
    """Read what `pack` made.

    Args:
        content: The bytes of the file.
        path: Where they are from, for error messages.

    Raises:
        DataError: If the content is truncated or not of this format.
    """
    header, rest = _unpacked(content, path)

    def take(field: str, number: int, dtype: str) -> NDArray[np.int64]:
        nonlocal rest
        size = number * np.dtype(dtype).itemsize
        if len(rest) < size:
            raise DataError(field, f"the file ends after {len(rest)} of {size} bytes", path)
        values, rest = np.frombuffer(rest[:size], dtype).astype(np.int64), rest[size:]
        return values

    labels = take("labels", header["recordings"], "<u1")
    speakers = take("speakers", header["recordings"], "<u1")
    lengths = take("lengths", header["recordings"], "<u2")
    counts = take("counts", header["milliseconds"], "<u1")
    differences = take("units", header["events"], "<u1")

    for field, values, total in (("lengths", lengths, "milliseconds"), ("counts", counts, "events")):
        if values.sum() != header[total]:
            raise DataError(field, f"sum to {values.sum()}, but the header says {header[total]} {total}", path)
    if rest:
        raise DataError("file", f"goes on for {len(rest)} bytes after its end", path)

    first_frames = np.concatenate([[0], np.cumsum(lengths)])
    milliseconds_of_frame = np.arange(len(counts)) - np.repeat(first_frames[:-1], lengths)
    times = (np.repeat(milliseconds_of_frame, counts) + 0.5) / 1000
    event_starts = np.concatenate([[0], np.cumsum(counts)])
    running = np.cumsum(differences)
    before_frame = np.concatenate([[0], running])[event_starts[:-1]]
    units = running - np.repeat(before_frame, counts)
    of_recording = [slice(first, last) for first, last in pairwise(event_starts[first_frames])]
    try:
        return Recordings(
            [times[events] for events in of_recording],
            [units[events] for events in of_recording],
            labels,
            classes=header["classes"],
            num_channels=header["num_channels"],
            speakers=speakers,
        )
    except DataError as error:
        raise DataError(error.field, error.problem, path) from error


def _unpacked(content: bytes, path: str | os.PathLike[str]) -> tuple[dict[str, Any], bytes]:
    """Return the checked header, and the bytes after it: no more of them than it needs, and one."""
    try:
        stream = lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_DECODER)
        start = stream.decompress(content, max_length=_LONGEST_HEADER)
        header_line, _, rest = start.partition(b"\n")
        header = json.loads(header_line)
    except (lzma.LZMAError, EOFError, ValueError, RecursionError) as error:
        raise DataError("header", f"not a file of packed recordings ({error})", path) from error
    named = header.get("format") if isinstance(header, dict) else None
    if named != _FORMAT or header.get("version") != _VERSION:
        raise DataError("header", f"format is {named!r}, but it must be {_FORMAT!r}, version {_VERSION}", path)
    for field, least in (("recordings", 0), ("milliseconds", 0), ("events", 0), ("num_channels", 1)):
        if type(header.get(field)) is not int or not least <= header[field] <= _LARGEST:
            raise DataError(field, f"got {header.get(field)!r}; it must be an integer from {least} to {_LARGEST}", path)
    classes = header.get("classes")
    if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
        raise DataError("classes", f"got {classes!r}; it must be a list of names", path)
    needed = 4 * header["recordings"] + header["milliseconds"] + header["events"] + 1
    try:
        while len(rest) < needed and not stream.eof:
            more = stream.decompress(b"", max_length=needed - len(rest))
            if not more and stream.needs_input:
                raise EOFError("it is cut off")
            rest += more
    except (lzma.LZMAError, EOFError) as error:
        raise DataError("content", f"damaged ({error})", path) from error
    return header, rest


def _narrow(values: NDArray[np.int64], dtype: str, field: str) -> Any:
    limit = np.iinfo(np.dtype(dtype)).max
    if values.size and values.max() > limit:
        raise DataError(field, f"got {values.max()}, but the packed format holds 0 to {limit}")
    return values.astype(dtype).tobytes()
