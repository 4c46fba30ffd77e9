"""ListOps: nested lists of digits and operators, read token by token, made from their published grammar."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .frames import FrameDataset
from .register import register_source
from .source import DataSource

OPERATORS: dict[str, Callable[[list[int]], int]] = {
    "[MIN": min,
    "[MAX": max,
    "[MED": lambda values: int(np.median(values)),
    "[SM": lambda values: sum(values) % 10,
}
"""What they make of the values of a list: the median is cut to an integer, the sum is taken modulo 10."""

TOKENS = (*map(str, range(10)), *OPERATORS, "]")
"""One channel each."""

_LISTS = 0.25  # probability that a value is a list, of 2 values or more
_SIZES = {"test": 1000, "valid": 500}


class ListOps(FrameDataset):
    """Nested lists such as ``[MAX 2 9 [MIN 4 7] 0]``, to be evaluated to a digit: one token a step, one-hot.

    Made from the grammar of Nangia and Bowman (2018) as the Long Range Arena (Tay et al., 2021) uses it: a value is a
    list with probability 1/4, as long as it is not too deep, else a digit; lists have 2 to ``arguments`` values and
    one of four operators, all equally likely; what is not longer than ``least`` or not shorter than ``most`` tokens is
    thrown away. No list is in two splits. The arena's lengths are ``least=500, most=2000``, with 96,000 for training,
    2,000 for validation and 2,000 for test; by default these are shorter and fewer, to train in minutes.

    Args:
        split: ``"train"``, ``"valid"`` (500 lists) or ``"test"`` (1000).
        least: Tokens that a list has at least, plus one.
        most: Tokens that a list has at most, minus one.
        depth: Levels of lists.
        arguments: Values of a list, at most.
        samples: Lists for training.

    Raises:
        ValueError: If the split is unknown or a number out of its range.

    Examples:
        >>> dataset = ListOps("test", most=40)
        >>> dataset
        ListOps(1000 samples, 39 steps, 15 channels, 10 classes)
        >>> frames, label = dataset[0]
        >>> " ".join(TOKENS[token] for token in frames.argmax(1)), label
        ('[MED 6 [SM [MAX [SM 8 9 2 [MAX 4 2 [SM 6 5 7 3 5 0 ] ] 3 ] 4 6 4 4 5 8 ] 1 4 ] [MAX 0 6 9 ] 3 ]', 4)
    """

    def __init__(
        self,
        split: str,
        *,
        least: int = 15,
        most: int = 100,
        depth: int = 10,
        arguments: int = 10,
        samples: int = 4000,
    ) -> None:
        if split not in ("train", *_SIZES):
            raise ValueError(f"split: got {split!r}, but ListOps has train, valid, test")
        for name, value, lowest in (("least", least, 0), ("depth", depth, 1), ("arguments", arguments, 2)):
            if value < lowest:
                raise ValueError(f"{name}: got {value}; it must be at least {lowest}")
        if most < least + 2 or most < 6:
            raise ValueError(f"most: got {most}; it must be 6 or more, and 2 more than least, {least}")
        if samples < 1:
            raise ValueError(f"samples: got {samples}; it must be positive")
        sizes = {**_SIZES, "train": samples}
        found = _lists(least, most, depth, arguments, tuple(sizes.values()))
        start = sum(size for name, size in sizes.items() if list(sizes).index(name) < list(sizes).index(split))
        chosen = found[start : start + sizes[split]]
        frames = np.zeros((len(chosen), most - 1, len(TOKENS)), np.uint8)
        for row, (tokens, _) in enumerate(chosen):
            frames[row, np.arange(len(tokens)), np.frombuffer(tokens, np.uint8)] = 1
        labels: NDArray[np.int64] = np.array([value for _, value in chosen], np.int64)
        lengths = [len(tokens) for tokens, _ in chosen]
        super().__init__(frames, labels, classes=[str(digit) for digit in range(10)], lengths=lengths)


@functools.lru_cache(maxsize=1)
def _lists(least: int, most: int, depth: int, arguments: int, sizes: tuple[int, ...]) -> list[tuple[bytes, int]]:
    """As many different lists as there are samples: tokens and value; the first ones are the same whatever follows."""
    numbers = random.Random(f"{least} {most} {depth} {arguments}")
    found: dict[bytes, int] = {}
    tries = 0
    while len(found) < sum(sizes):
        tokens = bytearray()
        value = _value(numbers, tokens, 1, depth, arguments, most)
        tries += 1
        if least < len(tokens) < most:
            found.setdefault(bytes(tokens), value)
        if tries > 10_000 and tries > 1000 * len(found):
            raise ValueError(f"least, most: got {least} and {most}; lists of such lengths hardly ever occur")
    return list(found.items())


def _value(numbers: random.Random, tokens: bytearray, level: int, depth: int, arguments: int, most: int) -> int:
    """Write a value, and return what it is; it stops in the middle once it is too long."""
    # Of all that random numbers offer, Python promises never to change this one.
    if level > depth or numbers.random() >= _LISTS:
        digit = int(10 * numbers.random())
        tokens.append(digit)
        return digit
    operator = int(len(OPERATORS) * numbers.random())
    tokens.append(10 + operator)
    values = []
    for _ in range(2 + int((arguments - 1) * numbers.random())):
        if len(tokens) >= most:
            return 0
        values.append(_value(numbers, tokens, level + 1, depth, arguments, most))
    tokens.append(len(TOKENS) - 1)
    return list(OPERATORS.values())[operator](values)


register_source(
    DataSource(
        "listops",
        "Nested lists of operators and digits, after the Long Range Arena",
        load=ListOps,
        licence="none is needed: lists are made on your machine",
        origin="the grammar of Nangia and Bowman (2018), with the lengths of Tay and others (2021), Long Range Arena",
        fixed={"pool": 1},
    )
)
