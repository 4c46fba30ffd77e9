"""Spikes of other values than 0 and 1: a staircase of the step function."""

from __future__ import annotations

import re

from torch import Tensor

from ..surrogate import SpikeFunction

MOST_BITS = 8


def levels(spikes: str) -> int:
    """Return how many values above 0 an output has.

    Raises:
        ValueError: If there is no such kind of spikes.

    Examples:
        >>> levels("binary"), levels("ternary"), levels("3-bit")
        (1, 1, 7)
    """
    if spikes in ("binary", "ternary"):
        return 1
    match = re.fullmatch(r"(\d)-bit", spikes)
    if not match or not 1 <= int(match[1]) <= MOST_BITS:
        raise ValueError(f"spikes: got {spikes!r}; it must be binary, ternary, or 1-bit to {MOST_BITS}-bit")
    return int(2 ** int(match[1])) - 1


def is_graded(spikes: str) -> bool:
    """Whether there are other values than 0 and 1."""
    return spikes == "ternary" or levels(spikes) > 1


def quantised(mem: Tensor, threshold: Tensor, surrogate: SpikeFunction, spikes: str = "binary") -> Tensor:
    """Return the spikes of membranes: how many of threshold, 2 threshold, ... lie below; -1 for one below -threshold.

    Each level has a surrogate of its own.

    Examples:
        >>> import torch
        >>> from silif_plugins.surrogate import Boxcar
        >>> mem, one = torch.tensor([-1.5, 0.5, 2.5, 9.0]), torch.ones(())
        >>> [quantised(mem, one, Boxcar(), kind).tolist() for kind in ("binary", "ternary", "2-bit")]
        [[0.0, 0.0, 1.0, 1.0], [-1.0, 0.0, 1.0, 1.0], [0.0, 0.0, 2.0, 3.0]]
    """
    found = surrogate(mem - threshold)
    if spikes == "ternary":
        return found - surrogate(-mem - threshold)
    for number in range(2, levels(spikes) + 1):
        found = found + surrogate(mem - number * threshold)
    return found
