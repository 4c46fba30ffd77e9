"""Google Speech Commands from a local folder, as log-mel features."""

from __future__ import annotations

import os
from pathlib import Path

from .audio_folder import LISTS, AudioFolder
from .folders import find_files
from .front_ends import FrontEnd, LogMel
from .register import register_source
from .source import DataSource

_INSIDE = "SpeechCommands/speech_commands_v0.02"

LOG_MEL = LogMel()
"""40 log-mel energies every 10 ms of the first second."""


class SpeechCommands(AudioFolder):
    """Google Speech Commands v0.02 (Warden, 2018; CC BY 4.0): 35 words, 105,829 clips of at most a second.

    Reads the published layout: a folder of 16 kHz wav files for each word, ``validation_list.txt`` and
    ``testing_list.txt``. It is an `AudioFolder` with its lists, so folders that start with ``_``, as
    ``_background_noise_``, and folders without clips are left out. By default features are those of
    `silif_plugins.datasets.filterbank.log_mel`, 98 steps a second; shorter clips have fewer steps. They are not
    normalised: the network's batch norm does that.

    Args:
        root: The folder.
        split: ``"train"``, ``"valid"`` or ``"test"``.
        front_end: What turns sound into samples; 40 log-mel energies every 10 ms by default.
        skip_damaged: Leave out files that cannot be read, with a warning, instead of refusing them.

    Raises:
        FileNotFoundError: If there is no such folder, or a list or a listed file is missing.
        ValueError: If the split is unknown.
        DataError: If a file is damaged, cut off or empty, or a list names a folder that is not there. It is a
            ValueError that names the file.

    Examples:
        >>> dataset = SpeechCommands("speech_commands_v0.02", "test")    # doctest: +SKIP
        >>> dataset                                                      # doctest: +SKIP
        SpeechCommands(11005 samples, 98 steps, 40 channels, 35 classes)
    """

    def __init__(
        self,
        root: str | os.PathLike[str],
        split: str,
        *,
        front_end: FrontEnd = LOG_MEL,
        skip_damaged: bool = False,
    ) -> None:
        for name in LISTS.values():
            if not find_files(root, name, inside=_INSIDE):
                missing = folder_of(root) / name
                raise FileNotFoundError(f"{missing}: missing; unpack the whole archive of Speech Commands v0.02")
        super().__init__(folder_of(root), split, front_end=front_end, skip_damaged=skip_damaged)


def folder_of(root: str | os.PathLike[str]) -> Path:
    """Return the folder with the lists: the given one, or where torchaudio puts it within that."""
    found = find_files(root, LISTS["test"], inside=_INSIDE)
    return found[0].parent if found else Path(root).expanduser()


register_source(
    DataSource(
        "gsc",
        "Google Speech Commands v0.02",
        load=SpeechCommands,
        files=tuple(LISTS.values()),
        where="unpack http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz (2.4 GB) into a folder, "
        "which then holds validation_list.txt, testing_list.txt and a folder of wav files for each of 35 words",
        inside=_INSIDE,
        fixed={"pool": 1},
    )
)
