"""What SHD, SSC and files of one's own in their layout have in common: files of events, binned once and cached.

Source: Cramer, Stradmann, Schemmel and Zenke (2020), CC BY 4.0.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from .binning import Grid, frames_of, late_share, tell_late
from .cache import Arrays, cached
from .events import Recordings
from .folders import find_files, packed
from .frames import FrameDataset
from .hdf5 import read_recordings
from .source import SPLITS, Root

_VERSION = 3  # of the binning: raise it when it changes, so that old cache entries are not found


class Heidelberg(FrameDataset):
    """Frames of one file in the layout of SHD, cached. The classes of the data sets say what the arguments are."""

    prefix: ClassVar[str]
    """What the files' names begin with."""
    inside: ClassVar[str] = ""
    """Where tonic puts the files within the folder that it is given."""
    published_splits: ClassVar[tuple[str, ...]] = ("train", "test")
    """Splits that the published data have; a file for another one, such as of validation, may be there besides."""

    def __init__(
        self,
        root: Root,
        split: str,
        *,
        steps: int,
        max_time: float,
        pool: int = 5,
        published: bool = False,
        allow_empty: bool = True,
    ) -> None:
        arrays = frame_arrays(
            self.file(root, split),
            steps=steps,
            max_time=max_time,
            pool=pool,
            published=published,
            allow_empty=allow_empty,
        )
        super().__init__(
            arrays["frames"], arrays["labels"], classes=arrays["classes"].tolist(), speakers=arrays["speakers"]
        )

    @classmethod
    def recordings(cls, root: Root, split: str) -> Recordings:
        """Read the events behind the frames.

        Raises:
            FileNotFoundError: If there is no such file.
            DataError: If it is damaged.
        """
        return read_recordings(cls.file(root, split))

    @classmethod
    def splits(cls, root: Root | None) -> tuple[str, ...]:
        """Return the splits that a folder has: the published ones, and those of files that users made."""
        return tuple(each for each in SPLITS if each in cls.published_splits or (root and cls._found(root, each)))

    @classmethod
    def file(cls, root: Root, split: str) -> Path:
        """Return the file of a split.

        Raises:
            ValueError: If there is no such split.
            FileNotFoundError: If there is no such file.
        """
        if split not in (splits := cls.splits(root)):
            raise ValueError(f"split: got {split!r}, but {cls.__name__} has {', '.join(splits)}")
        if found := cls._found(root, split):
            return found[0]
        name = f"{cls.prefix}_{split}.h5"
        raise FileNotFoundError(f"there is no file {Path(root) / name}{packed(root, name, inside=cls.inside)}")

    @classmethod
    def _found(cls, root: Root, split: str) -> list[Path]:
        return find_files(root, f"{cls.prefix}_{split}.h5", inside=cls.inside)


def frame_arrays(file: Path, *, steps: int, max_time: float, pool: int, published: bool, allow_empty: bool) -> Arrays:
    """Bin a file in the layout of SHD, or read the frames from the cache if that was done before.

    Which share of the events comes too late, and is dropped, is logged; as a warning, if it is more than half.

    Returns:
        ``frames`` [recordings, steps, channels / pool], ``labels``, ``speakers`` and ``classes``; ``late``, the share
        of the events at or after ``max_time``.

    Raises:
        FileNotFoundError: If there is no such file.
        DataError: If it is damaged, no event at all is before ``max_time``, or a recording has none and
            ``allow_empty`` is false.
    """
    if not file.is_file():
        raise FileNotFoundError(f"there is no file {file}")

    def make() -> Arrays:
        recordings = read_recordings(file)
        grid = Grid(steps, max_time, recordings.num_channels, pool, published)
        frames = frames_of(recordings, grid, allow_empty=allow_empty)
        return {
            "frames": frames,
            "labels": recordings.labels,
            "speakers": recordings.speakers,
            "classes": np.array(recordings.classes),
            "late": np.array(late_share(recordings, frames)),
        }

    settings = {
        "version": _VERSION,
        "steps": steps,
        "max_time": max_time,
        "pool": pool,
        "published": published,
        "allow_empty": allow_empty,
    }
    arrays = cached(file.stem, settings, [file], make)
    tell_late(file, float(arrays["late"]), max_time)
    return arrays
