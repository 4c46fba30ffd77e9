"""Reading files of sound: wav of 16 bit and one channel by ourselves, all others by soundfile.

Most clips of speech are of the first kind, and need no other package. Python's own reader refuses the extensible header
before 3.12, and answers a damaged file with a bare RuntimeError; libsndfile reads what is left of a wav file that is
cut off as if it were whole.
"""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..optional import require
from .errors import DataError

_LARGEST = 1 << 28
"""Bytes of the longest file that is read: two hours."""

_PCM, _EXTENSIBLE = 1, 0xFFFE
_SUBFORMAT = bytes.fromhex("000000001000800000aa00389b71")
"""What follows the two bytes of the format in the GUID of an extensible header."""

_FULL_SCALE = 32768.0


def read_sound(path: Path, *, seconds: float = math.inf) -> tuple[NDArray[np.float32], int]:
    """Read a file of sound: numbers from -1 to 1, [samples], and how many they are a second. Channels are averaged.

    Args:
        path: A wav file, or another that libsndfile knows.
        seconds: How much is wanted; of other files than wav of 16 bit and one channel no more is read.

    Raises:
        DataError: If it is damaged, cut off or empty; the message names the file.
        OSError: If it cannot be read at all.
        ModuleNotFoundError: If it needs soundfile, which is not installed.

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
        raise DataError("sound", f"has more than {_LARGEST} bytes", path)
    if not content:
        raise DataError("sound", "is empty", path)
    if path.suffix.lower() != ".wav" or content[:4] in (b"RIFX", b"RF64"):
        return _decoded(content, path, seconds)
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise DataError("wav", "damaged, or not a wav file (does not start with RIFF and WAVE)", path)
    kind = None
    for name, promised, chunk in _chunks(content):
        if name == b"fmt ":
            kind = _kind(chunk, path)
        elif name == b"data":
            if kind is None:
                raise DataError("wav", "damaged: samples come before their format", path)
            code, channels, rate, bits = kind
            if len(chunk) != promised or promised % max(1, channels * bits // 8) or not promised:
                raise DataError("wav", f"has {len(chunk)} of {promised} bytes of samples: cut off or empty", path)
            if (code, channels, bits) != (_PCM, 1, 16):
                return _decoded(content, path, seconds)
            return np.frombuffer(chunk, "<i2").astype(np.float32) / _FULL_SCALE, rate
    raise DataError("wav", "damaged, or not a wav file (has no samples)", path)


def _chunks(content: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    """Name, promised size and bytes of every chunk; the last has fewer bytes where the file is cut off."""
    place = 12
    while place + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, place)
        yield name, size, content[place + 8 : place + 8 + size]
        place += 8 + size + size % 2


def _kind(chunk: bytes, path: Path) -> tuple[int, int, int, int]:
    """Return the code of the format, channels, rate and bits."""
    if len(chunk) < 16:
        raise DataError("wav", "damaged: its format is cut off", path)
    code, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if code == _EXTENSIBLE and chunk[26:40] == _SUBFORMAT:
        (code,) = struct.unpack_from("<H", chunk, 24)
    return code, channels, rate, bits


def _decoded(content: bytes, path: Path, seconds: float) -> tuple[NDArray[np.float32], int]:
    """Read by libsndfile, from memory: it closes files by their numbers, also those of others."""
    soundfile = require("soundfile", extra="audio", purpose=f"Reading {path.name}")
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            wanted = int(min(file.frames, math.ceil(min(seconds, 2**31) * file.samplerate)))
            if wanted * file.channels > _LARGEST:
                raise DataError("sound", f"has {wanted} samples in {file.channels} channels, which are too many", path)
            samples = file.read(wanted, dtype="float32", always_2d=True)
            rate = file.samplerate
    except soundfile.SoundFileError as error:
        why = str(error).rpartition(": ")[2]
        raise DataError("sound", f"damaged, or no sound that libsndfile reads ({why})", path) from error
    if not wanted or len(samples) < wanted:
        raise DataError("sound", f"has {len(samples)} of {wanted} samples: cut off or empty", path)
    return samples.mean(axis=1), rate
