"""Sequential and permuted MNIST from local files: images read pixel by pixel."""

from __future__ import annotations

import gzip
import math
import os
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .errors import DataError
from .folders import find_files
from .frames import FrameDataset
from .register import register_source
from .source import DataSource

VALIDATION = 5000
"""Images at the end of the training file that are kept for validation; MNIST has no file for it."""

_INSIDE = "MNIST/raw"
_SEED = 20250604
_SIDE = 28
_LARGEST = 1 << 30  # bytes: half a million images more than the largest set in this format has
_IMAGES, _LABELS = 2051, 2049  # what idx files of images and of labels begin with


class SequentialMNIST(FrameDataset):
    """MNIST (LeCun, Cortes and Burges) pixel by pixel: 784 steps of one channel, grey values from 0 to 1.

    Reads the published idx files, ``train-images-idx3-ubyte`` and so on, also as ``.gz``. The last 5000 training
    images are for validation.

    Args:
        root: The folder with the files.
        split: ``"train"``, ``"valid"`` or ``"test"``.
        permute: Whether pixels come in a fixed random order (permuted MNIST), the same for all images.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If the split is unknown.
        DataError: If a file is damaged or not in this format. It is a ValueError that names the file.

    Examples:
        >>> SequentialMNIST("mnist", "test", permute=True)               # doctest: +SKIP
        SequentialMNIST(10000 samples, 784 steps, 1 channels, 10 classes)
    """

    def __init__(self, root: str | os.PathLike[str], split: str, *, permute: bool = False) -> None:
        if split not in ("train", "valid", "test"):
            raise ValueError(f"split: got {split!r}; it must be train, valid or test")
        part = "t10k" if split == "test" else "train"
        images = read_idx(find_idx(root, f"{part}-images-idx3-ubyte"), _IMAGES)
        labels = read_idx(find_idx(root, f"{part}-labels-idx1-ubyte"), _LABELS)
        if images.shape[1:] != (_SIDE, _SIDE):
            got = " x ".join(map(str, images.shape[1:]))
            raise DataError("images", f"are of {got} pixels, but MNIST's are of {_SIDE} x {_SIDE}", root)
        if split != "test":
            if len(images) <= VALIDATION:
                problem = f"has {len(images)} images, but {VALIDATION} of them are for validation"
                raise DataError("images", problem, root)
            kept = slice(None, -VALIDATION) if split == "train" else slice(-VALIDATION, None)
            images, labels = images[kept], labels[kept]
        pixels = images.reshape(len(images), -1, 1)
        if permute:
            # The raw output of a bit generator is the one stream that NumPy promises never to change.
            pixels = pixels[:, np.argsort(np.random.PCG64(_SEED).random_raw(pixels.shape[1]), kind="stable")]
        classes = [str(digit) for digit in range(10)]
        grey = np.divide(pixels, 255, dtype=np.float32)
        super().__init__(grey, labels, classes=classes)


def find_idx(root: str | os.PathLike[str], name: str) -> Path:
    """Find an idx file, plain or packed.

    Raises:
        FileNotFoundError: If there is neither.
    """
    for each in (name, f"{name}.gz"):
        if found := find_files(root, each, inside=_INSIDE):
            return found[0]
    raise FileNotFoundError(f"{os.fspath(root)}: has neither {name} nor {name}.gz")


def read_idx(path: Path, magic: int) -> NDArray[np.uint8]:
    """Read an idx file of bytes.

    Args:
        path: The file; unpacked if its name ends in .gz.
        magic: Number that the file must begin with; its last byte is the number of dimensions.

    Raises:
        DataError: If it begins with another number, or is shorter or longer than it says.
    """
    head = 4 * (1 + magic % 256)
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
            header = file.read(head)
            if len(header) < head or int.from_bytes(header[:4], "big") != magic:
                raise DataError("header", f"does not begin with {magic}: another file, or damaged", path)
            shape = [int(number) for number in np.frombuffer(header[4:], ">u4")]
            promised = math.prod(shape)
            if not 0 < promised <= _LARGEST:
                raise DataError("header", f"says {promised} bytes, but 1 to {_LARGEST} are read", path)
            content = file.read(promised + 1)  # not all: a gzip file of 5 MB can hold 5 GB
    except (OSError, EOFError, zlib.error) as error:
        raise DataError("file", f"cannot be read or unpacked, is it damaged? ({error})", path) from error
    if len(content) != promised:
        got = f"{len(content)} bytes" if len(content) < promised else "more bytes"
        raise DataError("content", f"holds {got}, but the header says {promised}", path)
    return np.frombuffer(content, np.uint8).reshape(shape)


register_source(
    DataSource(
        "mnist",
        "MNIST",
        load=SequentialMNIST,
        files=(
            "train-images-idx3-ubyte*",
            "train-labels-idx1-ubyte*",
            "t10k-images-idx3-ubyte*",
            "t10k-labels-idx1-ubyte*",
        ),
        where="put train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz and "
        "t10k-labels-idx1-ubyte.gz of https://ossci-datasets.s3.amazonaws.com/mnist/ into one folder (12 MB)",
        inside=_INSIDE,
        licence="named by nobody who made it; CC BY-SA 3.0 according to the documentation of Keras",
        origin="LeCun, Cortes and Burges, from NIST's Special Databases 1 and 3",
        fixed={"steps": _SIDE**2, "pool": 1},
    )
)
