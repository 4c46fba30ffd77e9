"""The Spiking Heidelberg Digits (SHD) and Spiking Speech Commands (SSC), from local files or by download.

Source: Cramer, Stradmann, Schemmel and Zenke (2020), CC BY 4.0.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from pathlib import Path

import numpy as np

from ..optional import require
from .cache import Arrays, cached
from .errors import DataError
from .frames import FrameDataset, check_times, frames_of
from .hdf5 import read_recordings
from .sources import find_files, packed

logger = logging.getLogger(__name__)

_VERSION = 3  # of the binning: raise it when it changes, so that old cache entries are not found


class _Heidelberg(FrameDataset):
    """Frames of one file in the layout of SHD, cached."""

    prefix = ""
    splits: tuple[str, ...] = ()

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str,
        *,
        steps: int,
        max_time: float,
        pool: int = 5,
        published: bool = False,
        allow_empty: bool = True,
    ) -> None:
        if split not in self.splits:
            raise ValueError(f"split: got {split!r}, but {type(self).__name__} has {', '.join(self.splits)}")
        name = f"{self.prefix}_{split}.h5"
        if not (found := find_files(root, name)):
            raise FileNotFoundError(f"there is no file {Path(root) / name}{packed(root, name)}")
        arrays = frame_arrays(
            found[0],
            steps=steps,
            max_time=max_time,
            pool=pool,
            published=published,
            allow_empty=allow_empty,
        )
        super().__init__(
            arrays["frames"], arrays["labels"], classes=arrays["classes"].tolist(), speakers=arrays["speakers"]
        )


class SHD(_Heidelberg):
    """Spiking Heidelberg Digits: spoken digits, German and English, 20 classes, 12 speakers, 700 channels.

    There is no file for validation, and two of the test file's speakers are in no other. The published numbers are
    of the epoch that is best on the test set; `silif_plugins.datasets.speakers.hold_out_speakers` makes a validation
    set from the training file.

    Args:
        root: Folder with ``shd_train.h5`` and ``shd_test.h5``, or with tonic's folder ``SHD`` that holds them.
        split: ``"train"`` or ``"test"``.
        steps: Number of time steps; 250 are the paper's 4 ms.
        max_time: Length of the frames in seconds; later events are dropped.
        pool: Number of neighbouring channels that are summed into one; 5 gives the paper's 140.
        published: Bin exactly as the SiLIF paper's loader does, see `bin_events`.
        allow_empty: Keep recordings without an event before ``max_time``, as frames of zeros.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If an argument is out of its range.
        DataError: If the file is damaged. It is a ValueError that names file and field.

    Examples:
        >>> SHD("data/shd", "test")                          # doctest: +SKIP
        SHD(2264 samples, 250 steps, 140 channels, 20 classes)
    """

    prefix = "shd"
    splits = ("train", "test")

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str,
        *,
        steps: int = 250,
        max_time: float = 1.0,
        pool: int = 5,
        published: bool = False,
        allow_empty: bool = True,
    ) -> None:
        super().__init__(
            root, split, steps=steps, max_time=max_time, pool=pool, published=published, allow_empty=allow_empty
        )


class SSC(_Heidelberg):
    """Spiking Speech Commands: Google Speech Commands through a model cochlea, 35 classes, 700 channels.

    Binning the training file takes some 9 GB of memory, once; afterwards its frames (3 GB at 300 steps) are mapped
    from the cache.

    Args:
        root: Folder with ``ssc_train.h5``, ``ssc_valid.h5`` and ``ssc_test.h5``, or with tonic's folder ``SSC`` that
            holds them.
        split: ``"train"``, ``"valid"`` or ``"test"``.
        steps: Number of time steps; 300 are the paper's 4 ms.
        max_time: Length of the frames in seconds; later events are dropped.
        pool: Number of neighbouring channels that are summed into one; 5 gives the paper's 140.
        published: Bin exactly as the SiLIF paper's loader does, see `bin_events`.
        allow_empty: Keep recordings without an event before ``max_time``, as frames of zeros.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If an argument is out of its range.
        DataError: If the file is damaged. It is a ValueError that names file and field.

    Examples:
        >>> SSC("data/ssc", "valid")                         # doctest: +SKIP
        SSC(9981 samples, 300 steps, 140 channels, 35 classes)
    """

    prefix = "ssc"
    splits = ("train", "valid", "test")

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str,
        *,
        steps: int = 300,
        max_time: float = 1.2,
        pool: int = 5,
        published: bool = False,
        allow_empty: bool = True,
    ) -> None:
        super().__init__(
            root, split, steps=steps, max_time=max_time, pool=pool, published=published, allow_empty=allow_empty
        )


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
        try:
            frames = frames_of(
                recordings, steps=steps, max_time=max_time, pool=pool, published=published, allow_empty=allow_empty
            )
            check_times(recordings, frames, max_time)
        except DataError as error:
            raise DataError(error.field, error.problem, file) from error
        return {
            "frames": frames,
            "labels": recordings.labels,
            "speakers": recordings.speakers,
            "classes": np.array(recordings.classes),
            "late": np.array(1 - int(frames.sum(dtype=np.int64)) / max(1, len(recordings.flat_times))),
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
    level = logging.INFO if arrays["late"] <= 0.5 else logging.WARNING
    message = "%s: %.1f %% of the events are at or after %g s, and dropped"
    logger.log(level, message, file, 100 * arrays["late"], max_time)
    return arrays


def download(name: str, folder: str | os.PathLike[str]) -> list[Path]:
    """Download SHD or SSC with tonic, which checks the files' MD5.

    What is there already, whole, is not fetched again; a download that was cut off is repeated.

    Args:
        name: ``"shd"`` (0.4 GB) or ``"ssc"`` (2.5 GB).
        folder: Where the .h5 files go; created if need be.

    Returns:
        The .h5 files.

    Raises:
        ValueError: If the name is unknown.
        DataError: If what was downloaded is not what was published.
        OSError: If the network or the disk fails.
        ModuleNotFoundError: If tonic is not installed.
    """
    classes = {"shd": "SHD", "ssc": "SSC"}
    if name not in classes:
        raise ValueError(f"data set: got {name!r}; it must be shd or ssc")
    tonic = require("tonic", extra="data", purpose="Downloading SHD and SSC")
    fetch = require("tonic.download_utils", extra="data", purpose="Downloading SHD and SSC")
    published = getattr(tonic.datasets, classes[name])
    files = []
    for split in ("train", "valid", "test") if name == "ssc" else ("train", "test"):
        archive = getattr(published, f"{split}_zip")
        digest = getattr(published, f"{split}_md5")
        # Not the constructor of tonic's data set: it takes a cut-off archive beside any other .h5 file as good.
        with contextlib.redirect_stdout(sys.stderr):
            try:
                fetch.download_and_extract_archive(
                    published.base_url + archive, str(folder), filename=archive, md5=digest
                )
            except RuntimeError as error:
                raise DataError(
                    "md5", f"not the published file ({error}); try again", Path(folder) / archive
                ) from error
            except OSError as error:
                raise OSError(f"{published.base_url}{archive} cannot be put into {folder}: {error}") from error
        files.append(Path(folder) / archive.removesuffix(".zip"))
    return files
