"""Pathfinder of the Long Range Arena from local files: whether a dashed path joins two dots."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..memory import excess
from ..optional import require
from .cache import cached
from .errors import DataError
from .folders import find_files
from .frames import FrameDataset
from .register import register_source
from .source import DataSource

_INSIDE = "curv_contour_length_14"  # the level that the arena takes
_SEED = 20250604
_EMPTY = ("curv_baseline", "imgs", "0", "sample_172.png")  # a published file without content
_VERSION = 1


class Pathfinder(FrameDataset):
    """Pathfinder (Linsley et al., 2018; Tay et al., 2021) pixel by pixel: grey values from 0 to 1, yes or no.

    Reads the published layout, ``metadata/*.npy``, which are texts, and ``imgs/*/*.png``; images are squares, 32 x 32
    for Pathfinder and 128 x 128 for Path-X. They are split in a fixed random order: 80 % for training, and a tenth each
    for validation and test.

    Args:
        root: A folder with ``metadata`` and ``imgs``, or one that holds it as ``curv_contour_length_14``.
        split: ``"train"``, ``"valid"`` or ``"test"``.

    Raises:
        FileNotFoundError: If a file is missing.
        ModuleNotFoundError: If Pillow is not installed.
        ValueError: If the split is unknown, or there is not enough memory.
        DataError: If a file is damaged or not in this format. It is a ValueError that names the file.

    Examples:
        >>> Pathfinder("pathfinder32", "test")                           # doctest: +SKIP
        Pathfinder(20000 samples, 1024 steps, 1 channels, 2 classes)
    """

    def __init__(self, root: str | os.PathLike[str], split: str) -> None:
        if split not in ("train", "valid", "test"):
            raise ValueError(f"split: got {split!r}; it must be train, valid or test")
        require("PIL.Image", extra="train", purpose="Pathfinder")
        files, labels = _samples(root)
        # The raw output of a bit generator is the one stream that NumPy promises never to change.
        order = np.argsort(np.random.PCG64(_SEED).random_raw(len(files)), kind="stable")
        first, second = 8 * len(files) // 10, 9 * len(files) // 10
        chosen = order[{"train": slice(first), "valid": slice(first, second), "test": slice(second, None)}[split]]
        images = [files[index] for index in chosen]
        arrays = cached(f"pathfinder-{split}", {"version": _VERSION}, images, lambda: {"grey": _read(images)})
        if problem := excess(4 * arrays["grey"].size):
            raise ValueError(f"{os.fspath(root)}: {len(images)} images {problem}")
        grey = np.divide(arrays["grey"], 255, dtype=np.float32)
        super().__init__(grey[..., None], np.array(labels)[chosen], classes=("no", "yes"))


def _samples(root: str | os.PathLike[str]) -> tuple[list[Path], list[int]]:
    """Return the images and whether there is a path, in the order of the metadata.

    Raises:
        FileNotFoundError: If there are none.
        DataError: If a line is not what it should be.
    """
    texts = sorted(find_files(root, "metadata/*.npy", inside=_INSIDE), key=lambda path: (len(path.name), path.name))
    if not texts:
        raise FileNotFoundError(f"{os.fspath(root)}: has no metadata/*.npy")
    files, labels = [], []
    for text in texts:
        for number, line in enumerate(text.read_text(errors="replace").splitlines(), 1):
            words = line.split()
            if len(words) < 4 or words[3] not in ("0", "1") or ".." in Path(words[0], words[1]).parts:
                raise DataError(f"line {number}", "does not begin with folder, file, number, and 0 or 1", text)
            file = text.parents[1] / words[0] / words[1]
            if file.parts[-4:] != _EMPTY:
                files.append(file)
                labels.append(int(words[3]))
    if missing := next((file for file in files if not file.is_file()), None):
        raise FileNotFoundError(f"{missing}: is in the metadata, but not there")
    return files, labels


def _read(files: list[Path]) -> NDArray[np.uint8]:
    """Return grey values, [images, pixels].

    Raises:
        DataError: If an image cannot be read, or is of another size than the first.
    """
    from PIL import Image

    images: list[NDArray[np.uint8]] = []
    for file in files:
        try:
            with Image.open(file, formats=["PNG"]) as image:
                grey = np.asarray(image.convert("L"))
        except (OSError, ValueError, SyntaxError) as error:
            raise DataError("image", f"cannot be read, is it damaged? ({error})", file) from error
        if grey.shape[0] != grey.shape[1] or (images and grey.size != images[0].size):
            raise DataError("image", f"is of {grey.shape[1]} x {grey.shape[0]} pixels, unlike the others", file)
        images.append(grey.reshape(-1))
    return np.stack(images)


register_source(
    DataSource(
        "pathfinder",
        "Pathfinder of the Long Range Arena",
        load=Pathfinder,
        files=("metadata/*.npy",),
        where="unpack pathfinder32/curv_contour_length_14 of "
        "https://storage.googleapis.com/long-range-arena/lra_release.gz",
        inside=_INSIDE,
        licence="Apache 2.0, of the repository google-research/long-range-arena",
        origin="Linsley and others (2018), as Tay and others (2021), Long Range Arena, have made it",
        fixed={"pool": 1},
    )
)
