"""Users' own events: HDF5 files in the layout of SHD under names of their own."""

from __future__ import annotations

import os
from pathlib import Path

from .folders import find_files, packed
from .heidelberg import Heidelberg
from .register import register_source
from .source import SPLITS, DataSource, Root


class OwnEvents(Heidelberg):
    """Events of your own, from a folder with ``*_train.h5``, ``*_test.h5`` and perhaps ``*_valid.h5``.

    `silif_plugins.datasets.write_recordings` writes such files.

    Args:
        root: The folder.
        split: ``"train"``, ``"valid"`` or ``"test"``.
        steps: Number of time steps.
        max_time: Length of the frames in seconds; later events are dropped.
        pool: Number of neighbouring channels that are summed into one.
        published: Bin exactly as the SiLIF paper's loader does, see `bin_events`.
        allow_empty: Keep recordings without an event before ``max_time``, as frames of zeros.

    Raises:
        FileNotFoundError: If the folder has no file for the split.
        ValueError: If an argument is out of its range, or several files would do.
        DataError: If the file is damaged. It is a ValueError that names file and field.

    Examples:
        >>> import tempfile
        >>> from silif_plugins.datasets import Recordings, write_recordings
        >>> recordings = Recordings([[0.5]], [[3]], [0], classes=["zero"], num_channels=4)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_recordings(f"{folder}/tiny_train.h5", recordings)
        ...     OwnEvents(folder, "train")
        OwnEvents(1 samples, 100 steps, 4 channels, 1 classes)
    """

    prefix = "*"

    def __init__(
        self,
        root: Root,
        split: str,
        *,
        steps: int = 100,
        max_time: float = 1.0,
        pool: int = 1,
        published: bool = False,
        allow_empty: bool = False,
    ) -> None:
        super().__init__(
            root, split, steps=steps, max_time=max_time, pool=pool, published=published, allow_empty=allow_empty
        )

    @classmethod
    def file(cls, root: Root, split: str) -> Path:
        """Return the one file of a split.

        Raises:
            ValueError: If the split is unknown, or several files would do.
            FileNotFoundError: If the folder has no file for the split.
        """
        if split not in SPLITS:
            raise ValueError(f"split: got {split!r}, but it must be train, valid or test")
        folder, found = os.fspath(root), cls._found(root, split)
        if not found:
            there = ", ".join(path.name for path in find_files(folder, "*.h5")) or "no .h5 file at all"
            to_unpack = packed(folder, f"*_{split}.h5")
            raise FileNotFoundError(f"folder {folder} has no file *_{split}.h5; it has {there}{to_unpack}")
        if len(found) > 1:
            there = ", ".join(path.name for path in found)
            raise ValueError(f"folder {folder} has several files for the split {split!r}: {there}")
        return found[0]


register_source(
    DataSource(
        "events",
        "Events of your own, in the layout of SHD",
        load=OwnEvents,
        recordings=OwnEvents.recordings,
        files=("*_train.h5", "*_test.h5"),
        optional=("*_valid.h5",),
        where="write NAME_train.h5, NAME_test.h5 and perhaps NAME_valid.h5 with "
        "silif_plugins.datasets.write_recordings into one folder",
        splits=OwnEvents.splits,
        own=True,
    )
)
