"""From events to counts of events in every time step and channel."""

from __future__ import annotations

import logging
import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..memory import excess
from .errors import DataError
from .events import Recordings

logger = logging.getLogger(__name__)

Counts = NDArray[np.unsignedinteger[Any]]
"""[recordings, steps, channels // pool], of the narrowest unsigned type that holds them."""

# Cells counted at once: bounds the memory of the counting (8 bytes a cell) whatever the size of the set.
_CELLS_AT_ONCE = 1 << 22


def bin_events(
    times: ArrayLike,
    units: ArrayLike,
    *,
    steps: int,
    max_time: float,
    channels: int,
    pool: int = 1,
    published: bool = False,
) -> Counts:
    """Count the events of one recording in every time step and channel.

    Step ``k`` holds the events with ``k * max_time / steps <= time < (k + 1) * max_time / steps``, compared
    in float64. Events at or after ``max_time`` are dropped.

    ``published=True`` repeats the loader of the SiLIF paper and of SpArch, for comparison with published
    numbers: ``numpy.digitize(times, numpy.linspace(0, max_time, steps))``. Its steps are
    ``max_time / (steps - 1)`` wide and step 0 is always empty. Events at or after ``max_time``, for which that
    loader writes out of bounds, are dropped.

    Args:
        times: Times in seconds, [events].
        units: Channels, [events], 0 to ``channels - 1``.
        steps: Number of time steps.
        max_time: Length of the frames in seconds.
        channels: Number of channels of the recording.
        pool: Number of neighbouring channels that are summed into one.
        published: Bin exactly as the paper's loader does.

    Returns:
        Counts, [steps, channels // pool]: uint8, or the narrowest wider unsigned type if a count is above 255.

    Raises:
        ValueError: If an argument or an event is out of its range.

    Examples:
        >>> bin_events([0.000, 0.012, 0.013, 0.030], [0, 1, 1, 0], steps=3, max_time=0.030, channels=2)
        array([[1, 0],
               [0, 2],
               [0, 0]], dtype=uint8)
    """
    recordings = Recordings([np.asarray(times)], [np.asarray(units)], [0], classes=["?"], num_channels=channels)
    return count(recordings, Grid(steps, max_time, channels, pool, published))[0]


class Grid(NamedTuple):
    """Time steps and channels in which events are counted; the fields are the arguments of `bin_events`.

    Examples:
        >>> Grid(steps=3, max_time=0.03, channels=700).step_of(np.array([0.0, 0.012, 0.03]))
        array([0, 1, 3])
    """

    steps: int
    max_time: float
    channels: int
    pool: int = 1
    published: bool = False

    def check(self) -> None:
        """Raise if a field is out of its range.

        Raises:
            ValueError: If it is so; the message names it.
        """
        fewest = 2 if self.published else 1
        if self.steps < fewest:
            raise ValueError(f"steps: got {self.steps}, but it must be at least {fewest}")
        if not 0 < self.max_time < np.inf:
            raise ValueError(f"max_time: got {self.max_time} s, but it must be positive and finite")
        if self.pool < 1 or self.channels % self.pool:
            raise ValueError(f"pool: got {self.pool}, but it must divide the number of channels, {self.channels}")

    def step_of(self, times: NDArray[np.floating[Any]]) -> NDArray[np.int64]:
        """Time step of every event; ``steps`` or more for events that are too late."""
        if self.published:
            return np.searchsorted(np.linspace(0, self.max_time, self.steps), times, side="right")
        edges = np.arange(self.steps + 1) * self.max_time / self.steps
        edges[-1] = self.max_time
        return np.searchsorted(edges, times, side="right") - 1


def _count(recordings: Recordings, first: int, last: int, grid: Grid) -> Counts:
    """Count the events of recordings ``first`` to ``last - 1``: [recordings, steps, channels // pool]."""
    starts = recordings.starts[first : last + 1]
    step = grid.step_of(recordings.flat_times[starts[0] : starts[-1]])
    channel = recordings.flat_units[starts[0] : starts[-1]].astype(np.int64) // grid.pool
    recording = np.repeat(np.arange(last - first), np.diff(starts))
    shape = (last - first, grid.steps, grid.channels // grid.pool)
    on_time = step < grid.steps
    cell = ((recording * shape[1] + step) * shape[2] + channel)[on_time]
    counts = np.bincount(cell, minlength=shape[0] * shape[1] * shape[2]).reshape(shape)
    return counts.astype(np.min_scalar_type(int(counts.max(initial=0))))


def count(recordings: Recordings, grid: Grid) -> Counts:
    """Count the events of all recordings, whatever they are.

    Raises:
        ValueError: If a field of the grid is out of its range.
        DataError: If the counts do not fit into memory.
    """
    grid.check()
    shape = (len(recordings), grid.steps, grid.channels // grid.pool)
    counting = 8 * max(shape[1] * shape[2], min(math.prod(shape), _CELLS_AT_ONCE))
    if problem := excess(math.prod(shape) + counting):
        raise DataError("frames", f"{shape[0]} of {shape[1]} steps and {shape[2]} channels {problem}")
    frames: Counts = np.zeros(shape, np.uint8)
    at_once = max(1, _CELLS_AT_ONCE // (shape[1] * shape[2]))
    for first in range(0, len(recordings), at_once):
        last = min(first + at_once, len(recordings))
        counts = _count(recordings, first, last, grid)
        if counts.dtype.itemsize > frames.dtype.itemsize:
            frames = frames.astype(counts.dtype)
        frames[first:last] = counts
    return frames


def frames_of(recordings: Recordings, grid: Grid, *, allow_empty: bool = False) -> Counts:
    """Count the events of all recordings, and refuse what nobody wants to train on.

    Args:
        recordings: The recordings.
        grid: Time steps and channels.
        allow_empty: Keep recordings without an event before ``max_time``, as frames of zeros.

    Raises:
        ValueError: If a field of the grid is out of its range.
        DataError: If there are events, but none before ``max_time``: then times are hardly in seconds. Or if a
            recording has none and ``allow_empty`` is false.
    """
    counts = count(recordings, grid)
    if len(recordings.flat_times) and not counts.any():
        first, last = recordings.flat_times.min(), recordings.flat_times.max()
        raise DataError(
            "times",
            f"no event is before max_time = {grid.max_time} s: they are at {first:g} to {last:g}, "
            "which must be seconds (not microseconds, as tonic gives them)",
            recordings.path,
        )
    empty = np.flatnonzero(~counts.any(axis=(1, 2)))
    if empty.size and not allow_empty:
        others = f", and {empty.size - 1} more" if empty.size > 1 else ""
        raise DataError(
            "times",
            f"recording {empty[0]}{others} has no event before max_time = {grid.max_time} s; "
            "allow_empty=True keeps such recordings as frames of zeros",
            recordings.path,
        )
    return counts


def late_share(recordings: Recordings, counts: Counts) -> float:
    """Return which share of the events is not in the counts, since they come too late."""
    return 1 - int(counts.sum(dtype=np.int64)) / max(1, len(recordings.flat_times))


def tell_late(path: object, share: float, max_time: float) -> None:
    """Log which share of a file's events comes too late, and is dropped; as a warning, if it is more than half."""
    level = logging.INFO if share <= 0.5 else logging.WARNING
    message = "%s: %.1f %% of the events are at or after %g s, and dropped"
    logger.log(level, message, path, 100 * share, max_time)
