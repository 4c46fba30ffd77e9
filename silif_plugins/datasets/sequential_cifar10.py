"""Sequential CIFAR-10 from local files: images read pixel by pixel."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .errors import DataError
from .folders import find_files
from .frames import FrameDataset
from .register import register_source
from .source import DataSource

VALIDATION = 5000
"""Images at the end of the training files that are kept for validation; CIFAR-10 has no file for it."""

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

GREY = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in a grey value (ITU-R BT.601), as in the image task of the Long Range Arena."""

_INSIDE = "cifar-10-batches-bin"
_SIDE = 32
_IMAGE = 1 + 3 * _SIDE**2  # bytes: the class, then 1024 of each colour
_FILE = 10_000


class SequentialCIFAR10(FrameDataset):
    """CIFAR-10 (Krizhevsky, 2009) pixel by pixel: 1024 steps of three colours, or of one grey value, from 0 to 1.

    Reads the published binary version, ``data_batch_1.bin`` to ``data_batch_5.bin`` and ``test_batch.bin``; the version
    for Python holds code that would be run. The last 5000 training images are for validation.

    Args:
        root: The folder with the files.
        split: ``"train"``, ``"valid"`` or ``"test"``.
        grey: Whether colours become one grey value, as in the Long Range Arena's image task.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If the split is unknown.
        DataError: If a file is damaged or not in this format. It is a ValueError that names the file.

    Examples:
        >>> SequentialCIFAR10("cifar10", "test", grey=True)              # doctest: +SKIP
        SequentialCIFAR10(10000 samples, 1024 steps, 1 channels, 10 classes)
    """

    def __init__(self, root: str | os.PathLike[str], split: str, *, grey: bool = False) -> None:
        if split not in ("train", "valid", "test"):
            raise ValueError(f"split: got {split!r}; it must be train, valid or test")
        names = ["test_batch.bin"] if split == "test" else [f"data_batch_{number}.bin" for number in range(1, 6)]
        images = np.concatenate([_read(_find(root, name)) for name in names])
        if split != "test":
            if len(images) <= VALIDATION:
                problem = f"has {len(images)} images, but {VALIDATION} of them are for validation"
                raise DataError("images", problem, Path(root))
            images = images[slice(None, -VALIDATION) if split == "train" else slice(-VALIDATION, None)]
        colours = images[:, 1:].reshape(len(images), 3, -1)
        if grey:
            shares = np.array(GREY, np.float32) / 255
            frames = np.einsum("ict,c->it", colours, shares, dtype=np.float32)[..., None]
        else:
            frames = np.divide(colours.transpose(0, 2, 1), 255, dtype=np.float32)
        super().__init__(np.ascontiguousarray(frames), images[:, 0].astype(np.int64), classes=CLASSES)


def _find(root: str | os.PathLike[str], name: str) -> Path:
    if found := find_files(root, name, inside=_INSIDE):
        return found[0]
    raise FileNotFoundError(f"{os.fspath(root)}: has no {name}")


def _read(path: Path) -> NDArray[np.uint8]:
    """Return class and colours of the images of a file, [images, 3073].

    Raises:
        DataError: If it is no file of images, or has classes that there are not.
    """
    size = path.stat().st_size
    if not 0 < size <= _FILE * _IMAGE or size % _IMAGE:
        raise DataError("content", f"is of {size} bytes, but it must be up to {_FILE} images of {_IMAGE}", path)
    images = np.fromfile(path, np.uint8).reshape(-1, _IMAGE)
    if (largest := int(images[:, 0].max())) >= len(CLASSES):
        raise DataError("classes", f"has class {largest}, but allowed are 0 to {len(CLASSES) - 1}", path)
    return images


register_source(
    DataSource(
        "cifar10",
        "CIFAR-10",
        load=SequentialCIFAR10,
        files=(*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin"),
        where="unpack https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz (170 MB)",
        inside=_INSIDE,
        licence="named by nobody: its page asks for a citation",
        origin="Krizhevsky (2009), Learning Multiple Layers of Features from Tiny Images",
        fixed={"steps": _SIDE**2, "pool": 1},
    )
)
