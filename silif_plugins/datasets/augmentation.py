"""Random changes of events, to train on more than was recorded. They are transforms as tonic has them.

Each works on tonic's structured events (fields ``t`` in microseconds, ``x``, and any others) when it is called, and
on plain arrays of times in seconds and units with :func:`augment`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Change(NamedTuple):
    """What an augmentation does to events.

    Attributes:
        kept: Which events are left, booleans [events].
        times: New times in seconds of all events, [events].
        units: New units of all events, [events].
    """

    kept: NDArray[np.bool_]
    times: NDArray[np.floating[Any]]
    units: NDArray[np.integer[Any]]


class Augmentation(ABC):
    """A random change of events.

    Args:
        generator: Source of randomness when it is called as a transform; a fresh one by default.
    """

    def __init__(self, *, generator: np.random.Generator | None = None) -> None:
        self.generator = generator or np.random.default_rng()

    @abstractmethod
    def change(
        self, times: NDArray[np.floating[Any]], units: NDArray[np.integer[Any]], generator: np.random.Generator
    ) -> Change:
        """Draw a change of events with these times [s] and units; the arguments are left as they are."""

    def __call__(self, events: NDArray[Any]) -> NDArray[Any]:
        """Change a copy of tonic's events.

        Raises:
            ValueError: If the events have no field ``t`` or ``x``.
        """
        if not {"t", "x"} <= set(events.dtype.names or ()):
            raise ValueError(f"events: got the fields {events.dtype.names}; they must have 't' and 'x'")
        change = self.change(events["t"] * 1e-6, events["x"], self.generator)
        changed = events.copy()
        changed["t"], changed["x"] = np.rint(change.times * 1e6), change.units
        result: NDArray[Any] = changed[change.kept]
        return result


class ChannelJitter(Augmentation):
    """Move every event by a few channels, drawn from a normal distribution; what leaves the range is dropped.

    Source: Cramer et al. (2020), who found it to help most on SHD, with a standard deviation of 20 of 700 channels.

    Args:
        sd: Standard deviation in channels.
        channels: Number of channels.
        generator: Source of randomness; a fresh one by default.

    Raises:
        ValueError: If ``sd`` is negative or there is no channel.

    Examples:
        >>> events = np.array([(1000, 5, 1), (2000, 9, 1)], dtype=[("t", int), ("x", int), ("p", int)])
        >>> ChannelJitter(1.0, 700, generator=np.random.default_rng(2))(events)["x"]
        array([5, 8])
    """

    def __init__(self, sd: float, channels: int, *, generator: np.random.Generator | None = None) -> None:
        super().__init__(generator=generator)
        if not 0 <= sd < np.inf or channels < 1:
            raise ValueError(f"sd, channels: got {sd} and {channels}; they must be at least 0 and 1")
        self.sd, self.channels = sd, channels

    def change(
        self, times: NDArray[np.floating[Any]], units: NDArray[np.integer[Any]], generator: np.random.Generator
    ) -> Change:
        """Move events by rounded normal numbers."""
        moved = units.astype(np.int64) + np.rint(generator.normal(0, self.sd, len(units))).astype(np.int64)
        kept = (moved >= 0) & (moved < self.channels)
        return Change(kept, times, moved.clip(0, self.channels - 1))


class TimeJitter(Augmentation):
    """Move every event in time, by a number drawn from a normal distribution; what comes before 0 is dropped.

    Args:
        sd: Standard deviation in seconds.
        generator: Source of randomness; a fresh one by default.

    Raises:
        ValueError: If ``sd`` is negative.

    Examples:
        >>> events = np.array([(1000, 5, 1), (9000, 9, 1)], dtype=[("t", int), ("x", int), ("p", int)])
        >>> TimeJitter(0.001, generator=np.random.default_rng(0))(events)["t"]
        array([1126, 8868])
    """

    def __init__(self, sd: float, *, generator: np.random.Generator | None = None) -> None:
        super().__init__(generator=generator)
        if not 0 <= sd < np.inf:
            raise ValueError(f"sd: got {sd} s; it must be at least 0")
        self.sd = sd

    def change(
        self, times: NDArray[np.floating[Any]], units: NDArray[np.integer[Any]], generator: np.random.Generator
    ) -> Change:
        """Move events by normal numbers; they are not sorted anew."""
        moved = times.astype(np.float64) + generator.normal(0, self.sd, len(times))
        return Change(moved >= 0, moved.clip(0), units)


class DropEvents(Augmentation):
    """Drop events at random, each with the same probability.

    Args:
        share: The probability.
        generator: Source of randomness; a fresh one by default.

    Raises:
        ValueError: If ``share`` is not at least 0 and below 1.

    Examples:
        >>> events = np.array([(1000, 5, 1), (9000, 9, 1)], dtype=[("t", int), ("x", int), ("p", int)])
        >>> len(DropEvents(0.5, generator=np.random.default_rng(1))(events))
        2
    """

    def __init__(self, share: float, *, generator: np.random.Generator | None = None) -> None:
        super().__init__(generator=generator)
        if not 0 <= share < 1:
            raise ValueError(f"share: got {share}; it must be at least 0 and below 1")
        self.share = share

    def change(
        self, times: NDArray[np.floating[Any]], units: NDArray[np.integer[Any]], generator: np.random.Generator
    ) -> Change:
        """Keep events whose uniform number is not below the share."""
        return Change(generator.random(len(times)) >= self.share, times, units)


def augment(
    times: NDArray[np.floating[Any]],
    units: NDArray[np.integer[Any]],
    augmentations: Sequence[Augmentation],
    generator: np.random.Generator,
) -> tuple[NDArray[np.floating[Any]], NDArray[np.integer[Any]]]:
    """Apply augmentations one after the other; return new times [s] and units.

    Examples:
        >>> times, units = augment(np.array([0.1, 0.2]), np.array([3, 4]), [DropEvents(0.0)], np.random.default_rng())
        >>> times.tolist(), units.tolist()
        ([0.1, 0.2], [3, 4])
    """
    for augmentation in augmentations:
        kept, times, units = augmentation.change(times, units, generator)
        times, units = times[kept], units[kept]
    return times, units
