"""Google Speech Commands from a local folder, as log-mel features."""

from __future__ import annotations

import os
from pathlib import Path

from .clips import ClipDataset, Clips
from .errors import DataError
from .folders import find_files
from .front_ends import FrontEnd, LogMel
from .register import register_source
from .source import DataSource

SPLITS = {"valid": "validation_list.txt", "test": "testing_list.txt"}
"""The lists of the published folder; what is in neither is for training."""

_INSIDE = "SpeechCommands/speech_commands_v0.02"

LOG_MEL = LogMel()
"""40 log-mel energies every 10 ms of the first second."""


class SpeechCommands(ClipDataset):
    """Google Speech Commands v0.02 (Warden, 2018; CC BY 4.0): 35 words, 105,829 clips of at most a second.

    Reads the published layout: a folder of 16 kHz wav files for each word, ``validation_list.txt`` and
    ``testing_list.txt``. Folders that start with ``_``, as ``_background_noise_``, and folders without wav files are
    left out. By default features are those of `silif_plugins.datasets.filterbank.log_mel`, 98 steps a second; shorter
    clips have fewer steps. They are not normalised: the network's batch norm does that.

    Args:
        root: The folder.
        split: ``"train"``, ``"valid"`` or ``"test"``.
        front_end: What turns sound into samples; 40 log-mel energies every 10 ms by default.

    Raises:
        FileNotFoundError: If there is no such folder, or a list or a listed file is missing.
        ValueError: If the split is unknown.
        DataError: If a file is not a 16-bit mono wav, is cut off or empty, or a list names a folder that is not there.
            It is a ValueError that names the file.

    Examples:
        >>> dataset = SpeechCommands("speech_commands_v0.02", "test")    # doctest: +SKIP
        >>> dataset                                                      # doctest: +SKIP
        SpeechCommands(11005 samples, 98 steps, 40 channels, 35 classes)
    """

    def __init__(self, root: str | os.PathLike[str], split: str, *, front_end: FrontEnd = LOG_MEL) -> None:
        files, classes = clips(root, split), words(root)
        index = {name: number for number, name in enumerate(classes)}
        labels = [index[file.parent.name] for file in files]
        super().__init__(Clips(files, labels, classes), front_end, name=f"speech-commands-{split}")


def words(root: str | os.PathLike[str]) -> list[str]:
    """Return the names of the classes: the folders that hold clips, sorted, as the published code numbers them.

    Raises:
        FileNotFoundError: If there is no such folder, or none with clips within it.
    """
    folders = [path for path in folder_of(root).glob("*") if path.is_dir() and path.name[0] not in "_."]
    # A folder without clips, such as for one's own notes, is no word; as a class it would shift the labels after it.
    found = sorted(path.name for path in folders if _wavs(path))
    if not found:
        raise FileNotFoundError(f"{os.fspath(root)}: no such folder, or no folders of words in it")
    return found


def clips(root: str | os.PathLike[str], split: str) -> list[Path]:
    """Return the wav files of a split, sorted.

    Raises:
        FileNotFoundError: If a list or a listed file is missing.
        DataError: If a list is empty or names a folder that is not there.
        ValueError: If the split is unknown.
    """
    if split not in ("train", *SPLITS):
        raise ValueError(f"split: got {split!r}; it must be train, valid or test")
    folder, classes = folder_of(root), words(root)
    listed = {name: _read_list(folder / file, set(classes)) for name, file in SPLITS.items()}
    if split in listed:
        files = sorted(folder / line for line in listed[split])
        if missing := next((file for file in files if not file.is_file()), None):
            raise FileNotFoundError(f"{missing}: missing, but {SPLITS[split]} names it")
        return files
    # Whatever the case of its name, a clip that a list names is not trained on.
    taken = {line.lower() for line in listed["valid"] | listed["test"]}
    files = [
        folder / word / name
        for word in classes
        for name in _wavs(folder / word)
        if f"{word}/{name}".lower() not in taken
    ]
    if not files:
        raise DataError("train", "no wav file is left for training", root)
    return files


def folder_of(root: str | os.PathLike[str]) -> Path:
    """Return the folder with the lists: the given one, or where torchaudio puts it within that."""
    found = find_files(root, SPLITS["test"], inside=_INSIDE)
    return found[0].parent if found else Path(root).expanduser()


def _wavs(folder: Path) -> list[str]:
    """Names of the clips, sorted; not the hidden files that macOS keeps beside them on foreign disks (``._x.wav``)."""
    return sorted(name for name in os.listdir(folder) if name.lower().endswith(".wav") and name[0] != ".")


def _read_list(path: Path, classes: set[str]) -> set[str]:
    if not path.is_file():
        raise FileNotFoundError(f"{path}: missing; unpack the whole archive of Speech Commands v0.02")
    try:
        text = path.read_bytes().decode("utf-8-sig")  # editors on Windows begin a file with a byte order mark
    except UnicodeDecodeError as error:
        raise DataError("list", f"not text ({error})", path) from error
    lines = {line.strip().replace("\\", "/").removeprefix("./") for line in text.splitlines() if line.strip()}
    if not lines:
        raise DataError("list", "is empty", path)
    for line in sorted(lines):
        if line.count("/") != 1 or line.split("/")[0] not in classes:
            raise DataError("list", f"got {line!r}, which is not FOLDER/FILE with one of the folders beside it", path)
    return lines


register_source(
    DataSource(
        "gsc",
        "Google Speech Commands v0.02",
        load=SpeechCommands,
        files=tuple(SPLITS.values()),
        where="unpack http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz (2.4 GB) into a folder, "
        "which then holds validation_list.txt, testing_list.txt and a folder of wav files for each of 35 words",
        inside=_INSIDE,
        fixed={"pool": 1},
    )
)
