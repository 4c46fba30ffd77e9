"""Text classification of the Long Range Arena from local files: film reviews, read byte by byte."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..memory import excess
from .cache import Arrays, cached
from .errors import DataError
from .folders import find_files
from .register import register_source
from .source import DataSource, Root
from .tokens import TokenDataset

BYTES = 255
"""Bytes that can stand in a text, each a token by its own number; 0, which cannot, is no token."""

_INSIDE = "aclImdb"
_CLASSES = ("neg", "pos")
_VERSION = 1


class LRAText(TokenDataset):
    """The IMDb reviews (Maas and others, 2011) as the Long Range Arena reads them (Tay and others, 2021): bytes.

    Reads the published layout, ``train/pos/*.txt``, ``train/neg/*.txt`` and the same in ``test``. The arena has no
    validation set; training holds a tenth of each class out, or takes the test set, as published, with
    ``selection: published``.

    Args:
        root: The folder with ``train`` and ``test``, or one that holds it as ``aclImdb``.
        split: ``"train"`` or ``"test"``.
        steps: Bytes that are read of a review, at most.

    Raises:
        FileNotFoundError: If there are no reviews of a class.
        ValueError: If the split is unknown, ``steps`` is not positive, or there is not enough memory.
        DataError: If a file is empty or no text. It is a ValueError that names the file.

    Examples:
        >>> LRAText("aclImdb", "test")                                    # doctest: +SKIP
        LRAText(25000 samples, 4096 steps, 255 channels, 2 classes)
    """

    def __init__(self, root: str | os.PathLike[str], split: str, *, steps: int = 4096) -> None:
        if split not in ("train", "test"):
            raise ValueError(f"split: got {split!r}; it must be train or test")
        check_steps(steps)
        files = [find_files(root, f"{split}/{name}/*.txt", inside=_INSIDE) for name in _CLASSES]
        if missing := [name for name, found in zip(_CLASSES, files, strict=True) if not found]:
            raise FileNotFoundError(f"{os.fspath(root)}: has no {split}/{missing[0]}/*.txt")
        reviews = [file for found in files for file in found]
        if problem := excess(len(reviews) * steps):
            raise ValueError(f"{os.fspath(root)}: {len(reviews)} reviews {problem}")
        settings = {"version": _VERSION, "steps": steps}
        arrays = cached(f"lra-text-{split}", settings, reviews, lambda: _read(reviews, steps))
        labels = np.repeat(np.arange(len(_CLASSES)), [len(found) for found in files])
        super().__init__(arrays["tokens"], labels, vocabulary=BYTES, classes=_CLASSES, lengths=arrays["lengths"])


def check_steps(steps: int) -> None:
    """Raise ValueError unless a number of steps is positive."""
    if steps < 1:
        raise ValueError(f"steps: got {steps}; it must be positive")


def _read(files: list[Path], steps: int) -> Arrays:
    """Return bytes [files, steps, 1] and lengths [files].

    Raises:
        DataError: If a file is empty, cannot be read, or is no text.
    """
    texts = []
    for file in files:
        try:
            with open(file, "rb") as content:
                text = content.read(steps)
        except OSError as error:
            raise DataError("text", f"cannot be read ({error})", file) from error
        if not text or b"\0" in text:
            raise DataError("text", "is empty" if not text else "holds a byte 0: it is no text", file)
        texts.append(text)
    return {"tokens": laid_out([texts]), "lengths": np.array([len(text) for text in texts])}


def laid_out(columns: list[list[bytes]]) -> NDArray[np.uint8]:
    """Return texts, as many in each column, as bytes [texts, longest, columns] with zeros after their ends."""
    longest = max(len(text) for column in columns for text in column)
    tokens = np.zeros((len(columns[0]), max(longest, 1), len(columns)), np.uint8)
    for place, column in enumerate(columns):
        for row, text in enumerate(column):
            tokens[row, : len(text), place] = np.frombuffer(text, np.uint8)
    return tokens


def _splits(root: Root | None) -> tuple[str, ...]:
    return ("train", "test")


register_source(
    DataSource(
        "lra-text",
        "IMDb reviews, the text task of the Long Range Arena",
        load=LRAText,
        files=tuple(f"{split}/{name}/*.txt" for split in ("train", "test") for name in _CLASSES),
        where="unpack https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz (84 MB)",
        inside=_INSIDE,
        splits=_splits,
        licence="none is named; its authors ask to be cited",
        origin="Maas and others (2011), read as in Tay and others (2021), Long Range Arena",
        fixed={"pool": 1},
    )
)
