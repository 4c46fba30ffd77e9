"""Data sets by name or folder, as the command line has them."""

from __future__ import annotations

from typing import Any

from .frames import FrameDataset
from .register import SOURCES
from .resolving import named, resolve
from .source import SPLITS, Root


def load(name_or_folder: Root, split: str, *, root: Root | None = None, **options: Any) -> FrameDataset:
    """Load a data set by its name, or from a folder that holds one.

    The frames are those of the data set's own class: ``load("shd", "test", root=folder)``, ``load(folder, "test")``
    and ``SHD(folder, "test")`` give the same.

    Args:
        name_or_folder: A name, such as ``"spoken-digits"`` or ``"shd"``, or a folder that holds one of the data sets.
        split: ``"train"``, ``"valid"`` or ``"test"``.
        root: The folder of a data set that is given by its name.
        options: Of the data set; None is its default. Those of events are ``steps``, ``max_time`` (length of the
            frames in seconds), ``pool`` (neighbouring channels that are summed into one), ``published`` (bin exactly
            as the SiLIF paper's loader does) and ``allow_empty`` (keep recordings without an event before
            ``max_time``); MNIST has ``permute``, Speech Commands ``max_time`` and ``bands``.

    Raises:
        ValueError: If the name is unknown, an option is not one of the data set, or a value out of its range.
        FileNotFoundError: If a file is missing, or the data must be downloaded first; the message says where from.
        DataError: If a file is damaged. It is a ValueError.

    Examples:
        >>> load("spoken-digits", "valid", steps=50)
        SpokenDigits(480 samples, 50 steps, 140 channels, 20 classes)
    """
    if split not in SPLITS:
        raise ValueError(f"split: got {split!r}, but it must be train, valid or test")
    source, place = (SOURCES[named(name_or_folder)], root) if root is not None else resolve(name_or_folder)
    return source.frames(split, place, **options)
