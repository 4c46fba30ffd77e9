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
    """

    title: str
    files: tuple[str, ...]
    where: str


SOURCES = {
    "shd": Source(
        "Spiking Heidelberg Digits",
        ("shd_train.h5", "shd_test.h5"),
        "run 'silif download shd FOLDER', or unpack shd_train.h5.zip and shd_test.h5.zip "
        "of https://zenkelab.org/datasets/ into one folder (0.4 GB packed)",
    ),
    "ssc": Source(
        "Spiking Speech Commands",
        ("ssc_train.h5", "ssc_valid.h5", "ssc_test.h5"),
        "run 'silif download ssc FOLDER', or unpack ssc_train.h5.zip, ssc_valid.h5.zip and ssc_test.h5.zip "
        "of https://zenkelab.org/datasets/ into one folder (2.5 GB packed)",
    ),
    "gsc": Source(
        "Google Speech Commands v0.02",
        ("validation_list.txt", "testing_list.txt"),
        "unpack http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz (2.4 GB) into a folder, "
        "which then holds validation_list.txt, testing_list.txt and a folder of wav files for each of 35 words",
    ),
    "mnist": Source(
        "MNIST",
        ("train-images-idx3-ubyte*", "train-labels-idx1-ubyte*", "t10k-images-idx3-ubyte*", "t10k-labels-idx1-ubyte*"),
        "put train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz and "
        "t10k-labels-idx1-ubyte.gz of https://ossci-datasets.s3.amazonaws.com/mnist/ into one folder (12 MB)",
    ),
}
"""By the names that recipes use."""


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
    elif not Path(folder).is_dir():
        problem = f"there is no folder {os.fspath(folder)}"
    elif missing := [pattern for pattern in source.files if not any(Path(folder).glob(pattern))]:
        problem = f"folder {os.fspath(folder)} has no {', '.join(missing)}"
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
        if any(Path(folder).glob(source.files[-1])):
            return name
    return None
