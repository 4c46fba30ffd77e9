"""Recordings: lists of events (a time and a channel), with labels and speakers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import DataError


class Recording(NamedTuple):
    """One recording: its events, and what they are.

    Attributes:
        times: Times of the events in seconds, [events].
        units: Channels of the events, [events].
        label: Index of the class.
        speaker: Index of the speaker.
    """

    times: NDArray[np.floating[Any]]
    units: NDArray[np.integer[Any]]
    label: int
    speaker: int


class Recordings:
    """A checked set of recordings, kept as flat arrays so that they can be binned without a loop.

    Events need not be sorted. A recording may be without events.

    Args:
        times: For every recording the times of its events in seconds, [events] each, any float type.
        units: For every recording the channels of its events, [events] each, 0 to ``num_channels - 1``.
        labels: Index of the class of every recording, [recordings].
        classes: Names of the classes.
        num_channels: Number of channels, also those that are silent.
        speakers: Index of the speaker of every recording, [recordings]; 0 for all by default.
        path: The file that they are from, for messages.

    Raises:
        DataError: If lengths differ, a time is negative, NaN or infinite, or a unit, label or speaker is out
            of range. It is a ValueError, and names the field and the recording.

    Examples:
        >>> recordings = Recordings(
        ...     times=[[0.010, 0.020], [0.015]],
        ...     units=[[0, 2], [1]],
        ...     labels=[1, 0],
        ...     classes=["no", "yes"],
        ...     num_channels=3,
        ... )
        >>> len(recordings), recordings[0].units.tolist(), recordings.classes[recordings[0].label]
        (2, [0, 2], 'yes')
    """

    def __init__(
        self,
        times: Sequence[ArrayLike],
        units: Sequence[ArrayLike],
        labels: ArrayLike,
        *,
        classes: Sequence[str],
        num_channels: int,
        speakers: ArrayLike | None = None,
        path: Path | None = None,
    ) -> None:
        self.path = path
        if num_channels < 1:
            raise DataError("num_channels", f"got {num_channels}, but it must be at least 1")
        self.num_channels = int(num_channels)
        self.classes = tuple(str(name) for name in classes)
        time_lists = [_as_numbers(t, "times", index, np.floating) for index, t in enumerate(times)]
        unit_lists = [_as_numbers(u, "units", index, np.integer) for index, u in enumerate(units)]
        self.labels = _per_recording(labels, "labels", len(time_lists))
        self.speakers = _per_recording(
            np.zeros(len(time_lists), np.int64) if speakers is None else speakers, "speakers", len(time_lists)
        )
        if len(unit_lists) != len(time_lists):
            raise DataError("units", f"got {len(unit_lists)} recordings, but times has {len(time_lists)}")
        for index, (t, u) in enumerate(zip(time_lists, unit_lists, strict=True)):
            if len(t) != len(u):
                raise DataError("units", f"recording {index} has {len(u)} units, but {len(t)} times")

        self.flat_times: NDArray[np.floating[Any]] = np.concatenate(time_lists) if time_lists else np.zeros(0)
        self.flat_units: NDArray[np.integer[Any]] = np.concatenate(unit_lists) if unit_lists else np.zeros(0, np.int64)
        #: Recording ``i`` holds the flat events ``starts[i]`` to ``starts[i + 1] - 1``, [recordings + 1].
        self.starts: NDArray[np.int64] = np.cumsum([0, *map(len, time_lists)], dtype=np.int64)
        self._check_ranges()

    def _check_ranges(self) -> None:
        # One comparison finds NaN, infinite and negative times alike: NaN compares false.
        bad = np.flatnonzero(~((self.flat_times >= 0) & (self.flat_times < np.inf)))
        if bad.size:
            got = self.flat_times[bad[0]]
            raise DataError("times", f"{self._event(bad[0])} is at {got} s, but times must be finite and not negative")
        bad = np.flatnonzero((self.flat_units < 0) | (self.flat_units >= self.num_channels))
        if bad.size:
            got, last = self.flat_units[bad[0]], self.num_channels - 1
            raise DataError("units", f"{self._event(bad[0])} is in channel {got}, but channels are 0 to {last}")
        bad = np.flatnonzero((self.labels < 0) | (self.labels >= len(self.classes)))
        if bad.size:
            got, last = self.labels[bad[0]], len(self.classes) - 1
            raise DataError("labels", f"recording {bad[0]} has label {got}, but labels are 0 to {last}")
        bad = np.flatnonzero(self.speakers < 0)
        if bad.size:
            got = self.speakers[bad[0]]
            raise DataError("speakers", f"recording {bad[0]} has speaker {got}, but speakers count from 0")

    def _event(self, flat_index: int | np.integer[Any]) -> str:
        recording = int(np.searchsorted(self.starts, flat_index, side="right")) - 1
        return f"event {int(flat_index) - int(self.starts[recording])} of recording {recording}"

    def subset(self, indices: Sequence[int] | NDArray[Any]) -> Recordings:
        """Return a part of the recordings: integers from 0 in the order that is wanted, or a boolean for each."""
        rows = np.arange(len(self))[np.asarray(indices)]
        return Recordings(
            [self[row].times for row in rows],
            [self[row].units for row in rows],
            self.labels[rows],
            classes=self.classes,
            num_channels=self.num_channels,
            speakers=self.speakers[rows],
            path=self.path,
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> Recording:
        index = range(len(self))[index]
        events = slice(self.starts[index], self.starts[index + 1])
        label, speaker = int(self.labels[index]), int(self.speakers[index])
        return Recording(self.flat_times[events], self.flat_units[events], label, speaker)

    def __iter__(self) -> Iterator[Recording]:
        return (self[index] for index in range(len(self)))

    def __repr__(self) -> str:
        return (
            f"Recordings({len(self)} recordings, {len(self.flat_times)} events, "
            f"{self.num_channels} channels, {len(self.classes)} classes)"
        )


def _as_numbers(values: ArrayLike, field: str, index: int, kind: type[Any]) -> NDArray[Any]:
    """Check one recording's times or units: one dimension, numbers of the right kind."""
    array = np.asarray(values)
    if array.size == 0:
        array = array.astype(array.dtype if np.issubdtype(array.dtype, kind) else _DEFAULT[kind])
    elif kind is np.floating and np.issubdtype(array.dtype, np.integer):
        array = array.astype(np.float64)
    if array.ndim != 1:
        raise DataError(field, f"recording {index} has shape {array.shape}, but it must have one dimension")
    if not np.issubdtype(array.dtype, kind):
        raise DataError(field, f"recording {index} has type {array.dtype}, but it must be {kind.__name__}")
    return array


_DEFAULT: dict[type[Any], type[Any]] = {np.floating: np.float64, np.integer: np.int64}


def _per_recording(values: ArrayLike, field: str, recordings: int) -> NDArray[np.int64]:
    """Check labels or speakers: one integer for every recording."""
    array = np.asarray(values)
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise DataError(field, f"got type {array.dtype}, but they must be integers")
    if array.shape != (recordings,):
        raise DataError(field, f"got shape {array.shape}, but times has {recordings} recordings")
    return array.astype(np.int64)
