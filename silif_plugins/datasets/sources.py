"""Where the data sets come from, and which of them a folder holds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple


class Source(NamedTuple):
    """A data set that users fetch themselves.

    Attributes:
        title: Its full name.
        files: What its folder must hold, as glob patterns.
        where: What to download, and where to put it.
        inside: Where tonic, torchvision or torchaudio put the files within the folder that they are given.
    """

    title: str
    files: tuple[str, ...]
    where: str
    inside: str


SOURCES = {
    "shd": Source(
        "Spiking Heidelberg Digits",
        ("shd_train.h5", "shd_test.h5"),
        "run 'silif download shd FOLDER', or unpack shd_train.h5.zip and shd_test.h5.zip "
        "of https://zenkelab.org/datasets/ into one folder (0.4 GB packed)",
        "SHD",
    ),
    "ssc": Source(
        "Spiking Speech Commands",
        ("ssc_train.h5", "ssc_valid.h5", "ssc_test.h5"),
        "run 'silif download ssc FOLDER', or unpack ssc_train.h5.zip, ssc_valid.h5.zip and ssc_test.h5.zip "
        "of https://zenkelab.org/datasets/ into one folder (2.5 GB packed)",
        "SSC",
    ),
    "gsc": Source(
        "Google Speech Commands v0.02",
        ("validation_list.txt", "testing_list.txt"),
        "unpack http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz (2.4 GB) into a folder, "
        "which then holds validation_list.txt, testing_list.txt and a folder of wav files for each of 35 words",
        "SpeechCommands/speech_commands_v0.02",
    ),
    "mnist": Source(
        "MNIST",
        ("train-images-idx3-ubyte*", "train-labels-idx1-ubyte*", "t10k-images-idx3-ubyte*", "t10k-labels-idx1-ubyte*"),
        "put train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz and "
        "t10k-labels-idx1-ubyte.gz of https://ossci-datasets.s3.amazonaws.com/mnist/ into one folder (12 MB)",
        "MNIST/raw",
    ),
}
"""By the names that recipes use."""


def find_files(folder: str | os.PathLike[str], pattern: str) -> list[Path]:
    """Return the files of a glob pattern in a folder, or else where other libraries put them within it, sorted.

    ``~`` is the user's home. Hidden files are left out: macOS keeps a ``._x.h5`` beside ``x.h5`` on foreign disks.

    Examples:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     pathlib.Path(folder, "SHD").mkdir()
        ...     pathlib.Path(folder, "SHD", "shd_test.h5").touch()
        ...     [file.name for file in find_files(folder, "*_test.h5")]
        ['shd_test.h5']
    """
    folder = Path(folder).expanduser()
    for places in ([folder], [folder / source.inside for source in SOURCES.values()]):
        files = [file for place in places for file in place.glob(pattern)]
        if found := sorted(file for file in files if file.is_file() and not file.name.startswith(".")):
            return found
    return []


def packed(folder: str | os.PathLike[str], pattern: str) -> str:
    """Say which packed files of a pattern are there to be unpacked, as the end of an error message; or nothing."""
    files = [file for ending in ("gz", "zip") for file in find_files(folder, f"{pattern}.{ending}")]
    return f"; unpack {', '.join(map(str, files))} first" if files else ""


def check_folder(name: str, folder: str | os.PathLike[str] | None) -> None:
    """Raise unless a folder holds a data set.

    Args:
        name: One of ``SOURCES``.
        folder: The folder; None if the user named none.

    Raises:
        FileNotFoundError: If there is no such folder or a file is missing; the message says what to download and
            where to put it.
    """
    source = SOURCES[name]
    if folder is None:
        problem = "this data set does not come with the package"
    elif not Path(folder).expanduser().is_dir():
        problem = f"there is no folder {os.fspath(folder)}"
    elif missing := [pattern for pattern in source.files if not find_files(folder, pattern)]:
        problem = f"folder {os.fspath(folder)} has no {', '.join(missing)}"
        problem += "".join(packed(folder, pattern) for pattern in missing)
    else:
        return
    raise FileNotFoundError(f"{name}, {source.title}: {problem}. To get it: {source.where}; then give --data FOLDER")


def held_by(folder: str | os.PathLike[str]) -> str | None:
    """Return which data set a folder holds by the look of it, None for HDF5 files under other names or nothing.

    Examples:
        >>> import pathlib, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     pathlib.Path(folder, "testing_list.txt").touch()
        ...     held_by(folder)
        'gsc'
    """
    for name, source in SOURCES.items():
        if find_files(folder, source.files[-1]):
            return name
    return None
