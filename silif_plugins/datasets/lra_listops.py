"""ListOps as the Long Range Arena has published it, from local files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ..memory import excess
from .errors import DataError
from .folders import find_files
from .frames import FrameDataset
from .listops import TOKENS
from .register import register_source
from .source import DataSource

_INSIDE = "listops-1000"
_NAMES = {"train": "basic_train.tsv", "valid": "basic_val.tsv", "test": "basic_test.tsv"}
_BRACKETS = ("(", ")")  # of the tree that made the list; the arena's tokeniser drops them
_NUMBERS = {token: number for number, token in enumerate(TOKENS)}


class LRAListOps(FrameDataset):
    """The published lists of the Long Range Arena (Tay et al., 2021), 500 to 2000 tokens, one-hot, one a step.

    Reads ``basic_train.tsv``, ``basic_val.tsv`` and ``basic_test.tsv``: a line of names, then a list, a tab and its
    value in each line. `ListOps` makes such lists, shorter ones by default, without files.

    Args:
        root: The folder with the files.
        split: ``"train"``, ``"valid"`` or ``"test"``.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If the split is unknown, or there is not enough memory.
        DataError: If a file is not in this format. It is a ValueError that names file and line.

    Examples:
        >>> LRAListOps("lra_release", "test")                            # doctest: +SKIP
        LRAListOps(2000 samples, 1999 steps, 15 channels, 10 classes)
    """

    def __init__(self, root: str | os.PathLike[str], split: str) -> None:
        if split not in _NAMES:
            raise ValueError(f"split: got {split!r}; it must be train, valid or test")
        path = next(iter(find_files(root, _NAMES[split], inside=_INSIDE)), None)
        if path is None:
            raise FileNotFoundError(f"{os.fspath(root)}: has no {_NAMES[split]}")
        lists, labels = _read(path)
        steps = max(map(len, lists))
        if problem := excess(len(lists) * steps * len(TOKENS)):
            raise ValueError(f"{path}: {len(lists)} lists {problem}")
        frames = np.zeros((len(lists), steps, len(TOKENS)), np.uint8)
        for row, tokens in enumerate(lists):
            frames[row, np.arange(len(tokens)), np.frombuffer(tokens, np.uint8)] = 1
        classes = [str(digit) for digit in range(10)]
        super().__init__(frames, np.array(labels), classes=classes, lengths=[len(tokens) for tokens in lists])


def _read(path: Path) -> tuple[list[bytes], list[int]]:
    """Return tokens and value of every line but the first.

    Raises:
        DataError: If there is none, or one is no list with a digit as its value.
    """
    lists, labels = [], []
    with open(path, encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            words, _, value = line.strip().partition("\t")
            if number == 1 or not words:
                continue
            try:
                tokens = bytes(_NUMBERS[word] for word in words.split() if word not in _BRACKETS)
                label = int(value)
            except (KeyError, ValueError) as error:
                raise DataError(f"line {number}", f"is no list and its value ({error})", path) from error
            if not tokens or not 0 <= label <= 9:
                raise DataError(f"line {number}", f"has {len(tokens)} tokens and the value {label}", path)
            lists.append(tokens)
            labels.append(label)
    if not lists:
        raise DataError("lines", "holds no list", path)
    return lists, labels


register_source(
    DataSource(
        "lra-listops",
        "ListOps of the Long Range Arena",
        load=LRAListOps,
        files=tuple(_NAMES.values()),
        where="unpack listops-1000 of https://storage.googleapis.com/long-range-arena/lra_release.gz",
        inside=_INSIDE,
        licence="Apache 2.0, of the repository google-research/long-range-arena",
        origin="Tay and others (2021), Long Range Arena, after Nangia and Bowman (2018)",
        fixed={"pool": 1},
    )
)
