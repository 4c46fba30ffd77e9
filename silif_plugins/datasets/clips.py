"""Recordings of sound in files, and the data set that a front end makes of them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..memory import excess
from .cache import Arrays, cached
from .errors import DataError
from .frames import FrameDataset
from .front_ends import FrontEnd
from .wav import read_sound

logger = logging.getLogger(__name__)

_VERSION = 1  # of what front ends make: raise it when it changes, so that old cache entries are not found
_AT_ONCE = 256
_MARGIN = 1.0  # seconds that are read beyond the cut, for the filter of the resampling
_SMALLEST = 1 << 20  # bytes of sound below which nothing is cached: half a minute of it, a second of computing


@dataclass(frozen=True)
class Clips:
    """Files of sound, one for each sample.

    Attributes:
        files: The files.
        labels: Index of the class of each.
        classes: Names of the classes.
        speakers: Index of the speaker of each; nothing if they are not known.
    """

    files: Sequence[Path]
    labels: Sequence[int]
    classes: Sequence[str]
    speakers: Sequence[int] = field(default=())


class ClipDataset(FrameDataset):
    """Recordings of sound as a front end hears them, cached on disk.

    Args:
        clips: The files.
        front_end: What turns each into a sample.
        name: Start of the name in the cache.
        skip_damaged: Leave out files that cannot be read, with a warning that names each, instead of refusing them.

    Attributes:
        front_end: The front end; all others are those of `FrameDataset`.

    Raises:
        DataError: If a file is damaged, or all are. It is a ValueError that names the file.
        ValueError: If the frames do not fit into memory.
    """

    def __init__(self, clips: Clips, front_end: FrontEnd, *, name: str, skip_damaged: bool = False) -> None:
        size = len(clips.files) * front_end.steps * front_end.num_channels
        if problem := excess(size * (1 if front_end.fill else 4)):
            made = f"what {front_end.name} makes of {len(clips.files)} clips"
            raise ValueError(f"max_time: got {front_end.max_time} s; {made} {problem}")
        clips = _there(clips, skip_damaged)
        arrays = cached(
            name,
            {"version": _VERSION, "skip_damaged": skip_damaged, "front_end": front_end.settings()},
            clips.files,
            lambda: _hear(clips.files, front_end, skip_damaged),
            smallest=_SMALLEST,
        )
        kept = arrays["kept"]
        super().__init__(
            arrays["frames"],
            np.array(clips.labels, np.int64)[kept],
            classes=clips.classes,
            lengths=None if front_end.fill else arrays["lengths"],
            speakers=np.array(clips.speakers, np.int64)[kept] if len(clips.speakers) else None,
        )
        self.front_end = front_end


def _there(clips: Clips, skip_damaged: bool) -> Clips:
    """Return the clips without files that are not there, such as links to others that were moved.

    Raises:
        DataError: If there are some, and they are not to be skipped.
    """
    there = [file.exists() for file in clips.files]
    for file in (file for file, found in zip(clips.files, there, strict=True) if not found):
        error = DataError("file", "cannot be read (there is none, or a link to nowhere)", file)
        if not skip_damaged:
            raise error
        logger.warning("left out, %s", error)
    if all(there):
        return clips
    parts = [
        [each for each, found in zip(part, there, strict=False) if found]
        for part in (clips.files, clips.labels, clips.speakers)
    ]
    return Clips(parts[0], parts[1], clips.classes, parts[2])  # type: ignore[arg-type]


def _hear(files: Sequence[Path], front_end: FrontEnd, skip_damaged: bool) -> Arrays:
    """Read and hear all files: frames [clips, steps, channels], lengths, and places of the files that are kept."""
    frames = np.zeros((0, front_end.steps, front_end.num_channels), np.uint8)
    lengths, kept = np.zeros(len(files), np.int64), np.zeros(len(files), bool)
    for first in range(0, len(files), _AT_ONCE):
        sounds, places = [], []
        for place, file in enumerate(files[first : first + _AT_ONCE], first):
            try:
                sounds.append(_prepared(file, front_end))
            except DataError as error:
                if not skip_damaged:
                    raise
                logger.warning("left out, %s", error)
                continue
            places.append(place)
        for place, heard in zip(places, front_end.frames(sounds), strict=True):
            if not len(frames) or heard.dtype.itemsize > frames.dtype.itemsize:
                wider = np.zeros((len(files), *frames.shape[1:]), heard.dtype)
                wider[: len(frames)] = frames
                frames = wider
            frames[place, : len(heard)] = heard
            lengths[place], kept[place] = len(heard), True
    if not kept.any():
        raise DataError("clips", "all are damaged", files[0].parent if len(files) else None)
    every = kept.all()
    return {
        "frames": frames if every else frames[kept],
        "lengths": lengths[kept],
        "kept": np.flatnonzero(kept),
    }


def _prepared(file: Path, front_end: FrontEnd) -> NDArray[Any]:
    """Read a file and make it ready.

    Raises:
        DataError: If it is damaged or cannot be read; it names the file.
    """
    try:
        sound, rate = read_sound(file, seconds=front_end.max_time + _MARGIN)
        return front_end.prepare(sound, rate)
    except DataError as error:
        raise DataError(error.field, error.problem, file) from error
    except OSError as error:
        raise DataError("file", f"cannot be read ({error.strerror or error})", file) from error
