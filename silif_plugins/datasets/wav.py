"""Reading wav files of speech: 16-bit mono PCM, under either of its two headers.

Python's own reader refuses the extensible header before 3.12, and answers a damaged file with a bare RuntimeError.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .errors import DataError

_LARGEST = 1 << 28
"""Bytes of the longest file that is read: two hours."""

_PCM, _EXTENSIBLE = 1, 0xFFFE
_SUBFORMAT = bytes.fromhex("000000001000800000aa00389b71")
"""What follows the two bytes of the format in the GUID of an extensible header."""

_FULL_SCALE = 32768.0


def read_sound(path: Path) -> tuple[NDArray[np.float32], int]:
    """Read a 16-bit mono wav file: numbers from -1 to 1, [samples], and how many they are a second.

    Raises:
        DataError: If it is not that, or is cut off or empty; the message names the file.
        OSError: If it cannot be read at all.

    Examples:
        >>> import pathlib, tempfile, wave
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = pathlib.Path(folder, "clip.wav")
        ...     with wave.open(str(path), "wb") as file:
        ...         file.setparams((1, 2, 16_000, 2, "NONE", ""))
        ...         file.writeframes(np.array([0, -16_384], "<i2").tobytes())
        ...     samples, rate = read_sound(path)
        >>> samples.tolist(), rate
        ([0.0, -0.5], 16000)
    """
    with open(path, "rb") as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise DataError("wav", f"has more than {_LARGEST} bytes", path)
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise DataError("wav", "damaged, or not a wav file (does not start with RIFF and WAVE)", path)
    kind = None
    for name, promised, chunk in _chunks(content):
        if name == b"fmt ":
            kind = _kind(chunk, path)
        elif name == b"data":
            if kind is None:
                raise DataError("wav", "damaged: samples come before their format", path)
            if kind[:2] != (1, 16):
                got = f"got {kind[0]} channels of {kind[1]} bit"
                raise DataError("wav", f"{got}, but it must be 1 channel of 16 bit", path)
            if len(chunk) != promised or promised % 2 or not promised:
                raise DataError("wav", f"has {len(chunk)} of {promised} bytes of samples: cut off or empty", path)
            return np.frombuffer(chunk, "<i2").astype(np.float32) / _FULL_SCALE, kind[2]
    raise DataError("wav", "damaged, or not a wav file (has no samples)", path)


def _chunks(content: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    """Name, promised size and bytes of every chunk; the last has fewer bytes where the file is cut off."""
    place = 12
    while place + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, place)
        yield name, size, content[place + 8 : place + 8 + size]
        place += 8 + size + size % 2


def _kind(chunk: bytes, path: Path) -> tuple[int, int, int]:
    """Return channels, bits and rate of PCM."""
    if len(chunk) < 16:
        raise DataError("wav", "damaged: its format is cut off", path)
    kind, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if kind == _EXTENSIBLE and chunk[26:40] == _SUBFORMAT:
        (kind,) = struct.unpack_from("<H", chunk, 24)
    if kind != _PCM:
        raise DataError("wav", f"not a wav file of PCM (format {kind:#06x})", path)
    return channels, bits, rate
