"""Document retrieval of the Long Range Arena from local files: whether one paper cites the other."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ..memory import excess
from .cache import Arrays, cached
from .errors import DataError
from .folders import find_files
from .lra_text import BYTES, check_steps, laid_out
from .register import register_source
from .source import DataSource
from .tokens import TokenDataset

_INSIDE = "tsv_data"
_NAMES = {
    "train": "new_aan_pairs.train.tsv",
    "valid": "new_aan_pairs.eval.tsv",
    "test": "new_aan_pairs.test.tsv",
}
_COLUMNS = ("label", "first paper", "second paper", "first text", "second text")
_LABELS = {b"0": 0, b"0.0": 0, b"1": 1, b"1.0": 1}
_VERSION = 1


class LRARetrieval(TokenDataset):
    """Pairs of papers of the ACL Anthology Network (Radev and others, 2013; Tay and others, 2021), byte by byte.

    Reads ``new_aan_pairs.train.tsv``, ``new_aan_pairs.eval.tsv`` and ``new_aan_pairs.test.tsv``: in each line label,
    names of the two papers, and their texts, with tabs between them. The two texts lie side by side, [steps, 2].
    Networks with ``documents=2`` read each with the same weights and compare what they found, as published; others
    read both at once.

    Args:
        root: The folder with the files, or one that holds it as ``tsv_data``.
        split: ``"train"``, ``"valid"`` or ``"test"``.
        steps: Bytes that are read of a text, at most.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If the split is unknown, ``steps`` is not positive, or there is not enough memory.
        DataError: If a file is not in this format. It is a ValueError that names file, line and field.

    Examples:
        >>> LRARetrieval("tsv_data", "test")                              # doctest: +SKIP
        LRARetrieval(17437 samples, 4000 steps, 510 channels, 2 classes)
    """

    def __init__(self, root: str | os.PathLike[str], split: str, *, steps: int = 4000) -> None:
        if split not in _NAMES:
            raise ValueError(f"split: got {split!r}; it must be train, valid or test")
        check_steps(steps)
        path = next(iter(find_files(root, _NAMES[split], inside=_INSIDE)), None)
        if path is None:
            raise FileNotFoundError(f"{os.fspath(root)}: has no {_NAMES[split]}")
        settings = {"version": _VERSION, "steps": steps}
        arrays = cached(f"lra-retrieval-{split}", settings, [path], lambda: _read(path, steps))
        super().__init__(
            arrays["tokens"],
            arrays["labels"],
            vocabulary=BYTES,
            classes=("no", "yes"),
            lengths=arrays["lengths"],
        )


def _read(path: Path, steps: int) -> Arrays:
    """Return bytes [pairs, steps, 2], lengths of the longer text and labels.

    Raises:
        DataError: If a line has other than five columns, its label is not 0 or 1, or a text holds a byte 0.
        ValueError: If there is not enough memory.
    """
    labels: list[int] = []
    texts: list[list[bytes]] = [[], []]
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            fields = line.rstrip(b"\r\n").split(b"\t")
            if fields == [b""]:
                continue
            if len(fields) != len(_COLUMNS):
                problem = f"has {len(fields)} columns, but {len(_COLUMNS)} are expected: {', '.join(_COLUMNS)}"
                raise DataError(f"line {number}", problem, path)
            if fields[0].strip() not in _LABELS:
                got = fields[0][:20].decode(errors="replace")
                raise DataError(f"line {number}, label", f"got {got!r}, but it must be 0 or 1", path)
            labels.append(_LABELS[fields[0].strip()])
            for column, name, text in zip(texts, _COLUMNS[3:], fields[3:], strict=True):
                if b"\0" in text:
                    raise DataError(f"line {number}, {name}", "holds a byte 0: it is no text", path)
                column.append(text[:steps])
    if not labels:
        raise DataError("lines", "holds no pair", path)
    lengths = np.array([max(map(len, pair)) for pair in zip(*texts, strict=True)])
    if empty := np.flatnonzero(lengths == 0).tolist():
        raise DataError("lines", f"pair {empty[0] + 1} has two empty texts", path)
    if short := excess(2 * len(labels) * int(lengths.max())):
        raise ValueError(f"{path}: {len(labels)} pairs {short}")
    return {"tokens": laid_out(texts), "lengths": lengths, "labels": np.array(labels)}


register_source(
    DataSource(
        "lra-retrieval",
        "Pairs of papers, the retrieval task of the Long Range Arena",
        load=LRARetrieval,
        files=tuple(_NAMES.values()),
        where="unpack tsv_data of https://storage.googleapis.com/long-range-arena/lra_release.gz",
        inside=_INSIDE,
        licence="Apache 2.0, of the repository google-research/long-range-arena; texts of the ACL Anthology",
        origin="Radev and others (2013), ACL Anthology Network, as in Tay and others (2021), Long Range Arena",
        fixed={"pool": 1},
    )
)
