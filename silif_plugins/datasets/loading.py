"""Data sets by name or folder, as the command line has them."""

from __future__ import annotations

import os
from pathlib import Path

from .frames import FrameDataset
from .heidelberg import frame_arrays
from .mnist import SequentialMNIST
from .sequential_digits import SequentialDigits
from .sources import SOURCES, check_folder, find_files, held_by, packed
from .speech_commands import SpeechCommands
from .spoken_digits import SpokenDigits

NAMES = ("spoken-digits", "sequential-digits")
"""The data sets that come with the package, which `load` knows by name."""


def load(
    name_or_folder: str | os.PathLike[str],
    split: str,
    *,
    steps: int | None = None,
    max_time: float | None = None,
    pool: int = 1,
    published: bool = False,
    allow_empty: bool = False,
    permute: bool = False,
) -> FrameDataset:
    """Load a data set by its name, or from a folder that holds one in its published layout.

    Args:
        name_or_folder: ``"spoken-digits"``, ``"sequential-digits"``, or a folder: with ``*_train.h5``,
            ``*_valid.h5`` and ``*_test.h5`` in SHD's layout, or those of them that are asked for; with Google
            Speech Commands; or with MNIST's idx files.
        split: ``"train"``, ``"valid"`` or ``"test"``.
        steps: Number of time steps, 100 by default; only for events, the others have a number of their own.
        max_time: Length of the frames in seconds, 1.0 by default. Images have no seconds.
        pool: Number of neighbouring channels that are summed into one, such as 5 for SHD's 700; only for events.
        published: Bin exactly as the SiLIF paper's loader does, see `bin_events`.
        allow_empty: Keep recordings without an event before ``max_time``, as frames of zeros.
        permute: Read MNIST's pixels in a fixed random order (permuted MNIST).

    Raises:
        ValueError: If the name is unknown or an argument is out of its range.
        FileNotFoundError: If the folder has no file for the split, or the data must be downloaded first; the
            message says where from.
        DataError: If a file is damaged. It is a ValueError.

    Examples:
        >>> load("spoken-digits", "valid", steps=50)
        SpokenDigits(480 samples, 50 steps, 140 channels, 20 classes)
    """
    if name_or_folder in SOURCES and not Path(name_or_folder).expanduser().is_dir():
        check_folder(str(name_or_folder), None)
    held = None if name_or_folder in NAMES else held_by(name_or_folder)
    if held != "mnist":
        _only_default("permute", permute, (False,), str(held or name_or_folder))
    if name_or_folder == "sequential-digits" or held == "mnist":
        name = held or str(name_or_folder)
        _only_default("steps", steps, (None, 784 if held else 128), name)
        _only_default("max_time", max_time, (None,), name)
        _only_default("pool", pool, (1,), name)
        return SequentialMNIST(name_or_folder, split, permute=permute) if held else SequentialDigits(split)
    if held == "gsc":
        _only_default("steps", steps, (None,), held)
        _only_default("pool", pool, (1,), held)
        return SpeechCommands(name_or_folder, split, max_time=1.0 if max_time is None else max_time)
    steps = 100 if steps is None else steps
    max_time = 1.0 if max_time is None else max_time
    if name_or_folder == "spoken-digits":
        return SpokenDigits(
            split, steps=steps, max_time=max_time, pool=pool, published=published, allow_empty=allow_empty
        )
    arrays = frame_arrays(
        find_file(name_or_folder, split),
        steps=steps,
        max_time=max_time,
        pool=pool,
        published=published,
        allow_empty=allow_empty,
    )
    return FrameDataset(
        arrays["frames"], arrays["labels"], classes=arrays["classes"].tolist(), speakers=arrays["speakers"]
    )


def find_file(folder: str | os.PathLike[str], split: str) -> Path:
    """Find the one file of a split, ``*_{split}.h5``, in a folder.

    Raises:
        ValueError: If there is no such folder, the split is unknown, or several files would do.
        FileNotFoundError: If the folder has no file for the split.
    """
    if not Path(folder).expanduser().is_dir():
        names = ", ".join(repr(name) for name in (*NAMES, *SOURCES))
        raise ValueError(f"data set: got {os.fspath(folder)!r}, which is neither {names} nor a folder")
    if split not in ("train", "valid", "test"):
        raise ValueError(f"split: got {split!r}, but it must be train, valid or test")
    found = find_files(folder, f"*_{split}.h5")
    if not found:
        there = ", ".join(path.name for path in find_files(folder, "*.h5")) or "no .h5 file at all"
        to_unpack = packed(folder, f"*_{split}.h5")
        raise FileNotFoundError(f"folder {folder} has no file *_{split}.h5; it has {there}{to_unpack}")
    if len(found) > 1:
        there = ", ".join(str(path.relative_to(Path(folder).expanduser())) for path in found)
        raise ValueError(f"folder {folder} has several files for the split {split!r}: {there}")
    return found[0]


def _only_default(argument: str, value: object, allowed: tuple[object, ...], data: str) -> None:
    if value not in allowed:
        fixed = " or ".join(map(str, allowed))
        raise ValueError(f"{argument}: got {value}, but for {data} it must be {fixed}")
