"""WikiText-103 from local files: texts of words, for language models."""

from __future__ import annotations

import os
from array import array
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..memory import excess
from .cache import Arrays, cached
from .errors import DataError
from .folders import find_files
from .lra_text import check_steps
from .register import register_source
from .source import DataSource
from .tokens import TokenDataset

END, UNKNOWN = "<eos>", "<unk>"
"""What ends each line, and what stands for words that are not in the vocabulary."""

RARE = 3
"""How often a word of the raw files must occur in the training text to be in the vocabulary, as was published."""

_PLACES = ("wikitext-103", "wikitext-103-raw")
_ENDS = ("tokens", "raw")
_VERSION = 1


class WikiText103(TokenDataset):
    """WikiText-103 (Merity and others, 2017): words, in pieces of ``steps`` words to predict, each after the other.

    Reads ``wiki.train.tokens``, ``wiki.valid.tokens`` and ``wiki.test.tokens``, or ``wiki.train.raw`` and so on. Words
    are what spaces separate, and ``<eos>`` at the end of every line. The vocabulary is that of the training file, by
    falling frequency; of the raw files words that occur less than three times are ``<unk>``. A piece begins with the
    last word of the one before, so that each word but the first is predicted once. Labels have no meaning.

    Args:
        root: The folder with the files, or one that holds it as ``wikitext-103`` or ``wikitext-103-raw``.
        split: ``"train"``, ``"valid"`` or ``"test"``.
        steps: Words that a piece predicts; the last one may have fewer.

    Attributes:
        classes: The words; word k + 1 is number k of them.

    Raises:
        FileNotFoundError: If a file is missing.
        ValueError: If the split is unknown, ``steps`` is not positive, or there is not enough memory.
        DataError: If a file holds less than two words, or is no text. It is a ValueError that names the file.

    Examples:
        >>> WikiText103("wikitext-103", "test", steps=8192)               # doctest: +SKIP
        WikiText103(30 samples, 8193 steps, 267735 channels, 267735 classes)
    """

    def __init__(self, root: str | os.PathLike[str], split: str, *, steps: int = 512) -> None:
        if split not in ("train", "valid", "test"):
            raise ValueError(f"split: got {split!r}; it must be train, valid or test")
        check_steps(steps)
        train, path = find_text(root, "train"), find_text(root, split)
        if train.suffix != path.suffix:
            raise FileNotFoundError(f"{os.fspath(root)}: has {train.name}, but of {split} only {path.name}")
        settings = {"version": _VERSION}
        listed = cached("wikitext-vocabulary", settings, [train], lambda: {"words": _vocabulary(train)})["words"]
        words = listed.tobytes().decode().split("\n")
        numbers = cached(f"wikitext-{split}", settings, [train, path], lambda: _numbers(path, words))["numbers"]
        if problem := excess(8 * len(numbers)):
            raise ValueError(f"{path}: {len(numbers)} words {problem}")
        pieces, lengths = in_pieces(numbers, steps)
        super().__init__(
            pieces[..., None], np.zeros(len(pieces), np.int64), vocabulary=len(words), classes=words, lengths=lengths
        )


def find_text(root: str | os.PathLike[str], split: str) -> Path:
    """Find a file of texts.

    Raises:
        FileNotFoundError: If there is none.
    """
    for end, place in zip(_ENDS, _PLACES, strict=True):
        if found := find_files(root, f"wiki.{split}.{end}", inside=place):
            return found[0]
    raise FileNotFoundError(f"{os.fspath(root)}: has neither wiki.{split}.tokens nor wiki.{split}.raw")


def in_pieces(numbers: NDArray[np.int32], steps: int) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Cut a text into pieces of ``steps`` + 1 words that overlap by one; the last may be shorter, with zeros after it.

    Examples:
        >>> pieces, lengths = in_pieces(np.arange(1, 7, dtype=np.int32), 3)
        >>> pieces.tolist(), lengths.tolist()
        ([[1, 2, 3, 4], [4, 5, 6, 0]], [4, 3])
    """
    count = -(-(len(numbers) - 1) // steps)
    padded = np.zeros(count * steps + 1, np.int32)
    padded[: len(numbers)] = numbers
    pieces = np.empty((count, steps + 1), np.int32)
    pieces[:, :-1] = padded[:-1].reshape(count, steps)
    pieces[:, -1] = padded[steps::steps]
    return pieces, np.minimum(steps + 1, len(numbers) - steps * np.arange(count))


def _lines(path: Path) -> Iterator[list[str]]:
    """Words of each line.

    Raises:
        DataError: If it is no text, or cannot be read.
    """
    number = 0
    try:
        with open(path, encoding="utf-8", newline="\n") as file:
            for number, line in enumerate(file, 1):
                if "\0" in line:
                    raise DataError(f"line {number}", "holds a byte 0: it is no text", path)
                yield [*line.split(), END]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"line {number + 1}", f"cannot be read as text ({error})", path) from error


def _vocabulary(path: Path) -> NDArray[np.uint8]:
    """The words by falling frequency, as bytes with line ends between them."""
    counts: Counter[str] = Counter()
    for words in _lines(path):
        counts.update(words)
    if path.suffix == ".raw":
        rare = [word for word, count in counts.items() if count < RARE and word != END]
        counts[UNKNOWN] += sum(counts.pop(word) for word in rare)
    counts.setdefault(UNKNOWN, 0)
    if len(counts) < 3:
        raise DataError("text", "holds less than two words", path)
    ordered = sorted(counts, key=lambda word: (-counts[word], word))
    return np.frombuffer("\n".join(ordered).encode(), np.uint8)


def _numbers(path: Path, words: list[str]) -> Arrays:
    """The number, from 1, of each word of a text."""
    known = {word: number for number, word in enumerate(words, 1)}
    unknown = known[UNKNOWN]
    found = array("i")
    for line in _lines(path):
        found.extend([known.get(word, unknown) for word in line])
    if len(found) < 2:
        raise DataError("text", "holds less than two words", path)
    return {"numbers": np.frombuffer(found, np.intc).astype(np.int32)}


register_source(
    DataSource(
        "wikitext-103",
        "WikiText-103, for language models",
        load=WikiText103,
        files=("wiki.train.*", "wiki.valid.*", "wiki.test.*"),
        where="put wiki.train.tokens, wiki.valid.tokens and wiki.test.tokens of wikitext-103-v1.zip, or the three .raw "
        "files of wikitext-103-raw-v1.zip, into one folder",
        inside="wikitext-103",
        licence="CC BY-SA 3.0, as Wikipedia",
        origin="Merity and others (2017), Pointer Sentinel Mixture Models, from articles of Wikipedia",
        fixed={"pool": 1},
    )
)
