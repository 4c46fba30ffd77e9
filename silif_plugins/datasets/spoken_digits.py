"""Spoken digits as spikes: the data set that comes with this package."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from .binning import Grid, frames_of
from .errors import DataError
from .events import Recordings
from .frames import FrameDataset
from .front_ends import Cochlea
from .packed import unpack
from .register import register_source
from .source import SPLITS, DataSource

SHA256 = {
    "train": "2fe9be0f84122d915de54bedfa6d0f5bbd459b05b8b70b09871e8e61263c4520",
    "valid": "efaac15a6dbdc53d60bd3c75b82931ad992a7a56dddf6cc7525437d025d1d842",
    "test": "62db6a27a855aec516ec6ee3d18a304da9d49b24fa453997f1cd14cc5f0f05df",
}
"""Digests of the shipped files: they tell a damaged installation from a good one."""


class SpokenDigits(FrameDataset):
    """Digits 0-9, English and German, spoken by a formant synthesiser and turned into spikes by a model cochlea.

    Made for what must work offline: a first run, a demonstration, tests, comparing neurons on a small budget.
    It is synthetic formant speech, not people: 44 voice variants of the program espeak-ng with random rate,
    pitch, noise and onset. It is not a benchmark of record; for that use SHD or SSC, recordings of people in the
    same file layout.

    1440 train, 480 valid and 960 test utterances; 24, 8 and 12 voices, none in two splits; 20 classes, equally
    often; 140 channels (low to high frequency); events on a grid of 1 ms. `silif_plugins.datasets.speech` makes
    more of them, also with 700 channels. The data are output of espeak-ng, and no part of that program.

    Args:
        split: ``"train"``, ``"valid"`` or ``"test"``.
        steps: Number of time steps.
        max_time: Length of the frames in seconds; later events are dropped. The mean utterance ends after 0.43 s,
            the longest of the shipped after 1.04 s.
        pool: Number of neighbouring channels that are summed into one.
        published: Bin exactly as the SiLIF paper's loader does, see `bin_events`.
        allow_empty: Keep utterances without an event before ``max_time``, as frames of zeros.
        root: Folder with files made by `silif_plugins.datasets.speech.generate`; by default the shipped data.

    Raises:
        ValueError: If an argument is out of its range.
        DataError: If the data are damaged, or an utterance has no event before ``max_time`` and ``allow_empty`` is
            false. It is a ValueError.
        FileNotFoundError: If ``root`` has no file for the split.

    Examples:
        >>> dataset = SpokenDigits("test", steps=100, max_time=1.0)
        >>> dataset
        SpokenDigits(960 samples, 100 steps, 140 channels, 20 classes)
        >>> frames, label = dataset[13]
        >>> frames.shape, dataset.classes[label]
        (torch.Size([100, 140]), 'drei')
    """

    def __init__(
        self,
        split: str,
        *,
        steps: int = 100,
        max_time: float = 1.0,
        pool: int = 1,
        published: bool = False,
        allow_empty: bool = False,
        root: str | os.PathLike[str] | None = None,
    ) -> None:
        recordings = spoken_digit_recordings(split, root=root)
        grid = Grid(steps, max_time, recordings.num_channels, pool, published)
        counts = frames_of(recordings, grid, allow_empty=allow_empty)
        super().__init__(counts, recordings.labels, classes=recordings.classes, speakers=recordings.speakers)


def spoken_digit_recordings(split: str, *, root: str | os.PathLike[str] | None = None) -> Recordings:
    """Read the events behind `SpokenDigits`, with their times in seconds.

    Args:
        split: ``"train"``, ``"valid"`` or ``"test"``.
        root: Folder with files made by `silif_plugins.datasets.speech.generate`; by default the shipped data.

    Raises:
        ValueError: If the split is unknown.
        DataError: If the data are damaged. It is a ValueError.
        FileNotFoundError: If ``root`` has no file for the split.

    Examples:
        >>> spoken_digit_recordings("test").num_channels
        140
    """
    if split not in SPLITS:
        raise ValueError(f"split: got {split!r}, but SpokenDigits has {', '.join(SPLITS)}")
    if root is not None:
        from .hdf5 import read_recordings

        return read_recordings(Path(root) / f"spoken_digits_{split}.h5")
    file = resources.files(__package__) / "data" / shipped_name(split)
    content = file.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if digest != SHA256[split]:
        problem = f"SHA-256 is {digest}, but {SHA256[split]} was shipped: reinstall silif_plugins"
        raise DataError("content", problem, str(file))
    return unpack(content, str(file))


def heard_by(options: Mapping[str, Any]) -> Cochlea:
    """Return the cochlea with which the utterances were heard, as a front end that gives frames as `SpokenDigits`.

    Args:
        options: All of `SpokenDigits`, except root and split.

    Raises:
        ValueError: If they ask for the published binning, which front ends do not have.
    """
    if options["published"]:
        raise ValueError("published: got True; front ends have no such binning, it must be False")
    step = options["max_time"] / options["steps"]
    return Cochlea(step=step, max_time=options["max_time"], pool=options["pool"])


def shipped_name(split: str) -> str:
    """Name of the shipped file of a split."""
    return f"spoken_digits_{split}.xz"


register_source(
    DataSource(
        "spoken-digits",
        "Synthetic spoken digits as spikes",
        load=SpokenDigits,
        recordings=spoken_digit_recordings,
        hears=heard_by,
    )
)
