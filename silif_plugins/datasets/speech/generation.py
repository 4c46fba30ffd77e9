"""Make sets of spoken digits of any size, and the one that is shipped."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...files import write_file
from ...optional import require
from ..events import Recordings
from ..front_ends import Cochlea
from ..hdf5 import write_recordings
from ..packed import pack
from ..source import SPLITS
from ..spoken_digits import shipped_name
from .utterances import plan
from .voices import CLASSES

SHIPPED_UTTERANCES: Mapping[str, int] = {"train": 1440, "valid": 480, "test": 960}
"""Number of utterances in every split of the shipped set."""

_SHIPPED_SEED = 0


def generate(
    folder: str | os.PathLike[str],
    *,
    utterances: int | Mapping[str, int] = SHIPPED_UTTERANCES,
    channels: int = 140,
    seed: int = 0,
    progress: bool = True,
) -> list[Path]:
    """Synthesise spoken digits and write them as ``spoken_digits_{train,valid,test}.h5`` in SHD's layout.

    With the defaults the recordings are those that ship with the package. A larger set begins with the
    recordings of the smaller one. About 10 ms an utterance with 140 channels.

    Args:
        folder: Where to write; made if it is not there.
        utterances: How many in each split; a number is for ``"train"``, with a third of it in ``"valid"`` and two
            thirds in ``"test"``.
        channels: Number of channels of the cochlea, 700 for as many as SHD.
        seed: Another seed gives other utterances of the same voices.
        progress: Show a progress bar on stderr.

    Returns:
        The files.

    Raises:
        ModuleNotFoundError: If the extra ``speech`` is not installed.
        OSError: If a file cannot be written. A file is complete or not there, also after Ctrl-C.
        ValueError: If a split is unknown or an argument out of its range.

    Examples:
        >>> import tempfile
        >>> from silif_plugins.datasets import SpokenDigits
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     files = generate(folder, utterances={"train": 4}, channels=700, progress=False)
        ...     SpokenDigits("train", root=folder, pool=5)
        SpokenDigits(4 samples, 100 steps, 140 channels, 20 classes)
    """
    if isinstance(utterances, int):
        utterances = {"train": utterances, "valid": utterances // 3, "test": utterances * 2 // 3}
    for split, number in utterances.items():
        if split not in SPLITS:
            raise ValueError(f"utterances: got the split {split!r}, but there are {', '.join(SPLITS)}")
        if number < 0:
            raise ValueError(f"utterances: got {number} for {split!r}, but it must not be negative")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for split, number in utterances.items():
        path = folder / f"spoken_digits_{split}.h5"
        write_recordings(path, speak(split, number, channels=channels, seed=seed, progress=progress))
        written.append(path)
    return written


def speak(split: str, utterances: int, *, channels: int = 140, seed: int = 0, progress: bool = False) -> Recordings:
    """Synthesise the first utterances of a split, in memory.

    Args:
        split: ``"train"``, ``"valid"`` or ``"test"``.
        utterances: How many.
        channels: Number of channels of the cochlea.
        seed: Of the whole data set.
        progress: Show a progress bar on stderr.
    """
    tqdm = require("tqdm", extra="speech", purpose="Generating speech")
    cochlea = Cochlea(channels=channels)
    times: list[NDArray[np.float64]] = []
    units: list[NDArray[np.int64]] = []
    plans = [plan(split, number, seed=seed) for number in range(utterances)]
    for utterance in tqdm.tqdm(plans, desc=f"spoken digits, {split}", unit=" utterances", disable=not progress):
        utterance_times, utterance_units = utterance.events(cochlea)
        times.append(utterance_times)
        units.append(utterance_units)
    return Recordings(
        times,
        units,
        np.array([utterance.label for utterance in plans], np.int64),
        classes=CLASSES,
        num_channels=channels,
        speakers=np.array([utterance.speaker for utterance in plans], np.int64),
    )


def remake_shipped(folder: str | os.PathLike[str], *, progress: bool = True) -> list[Path]:
    """Make the files that ship with the package once more, byte for byte.

    The bytes depend on espeak-ng (the shipped files come from espeakng-loader 0.2.4 on Linux, x86-64) and, in
    how they are compressed, on the release of liblzma. Other processors and libraries for Fourier transforms do
    not matter in practice, see `Cochlea`.

    Args:
        folder: Where to write; made if it is not there.
        progress: Show a progress bar on stderr.

    Returns:
        The files.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for split, number in SHIPPED_UTTERANCES.items():
        recordings = speak(split, number, seed=_SHIPPED_SEED, progress=progress)
        path = folder / shipped_name(split)
        write_file(path, pack(recordings))
        written.append(path)
    return written
