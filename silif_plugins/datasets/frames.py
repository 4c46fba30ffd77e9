"""From events to frames: counts of events in every time step and channel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.utils.data import Dataset

from ..memory import excess
from .errors import DataError
from .events import Recordings

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
) -> NDArray[np.unsignedinteger[Any]]:
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
    return _count_all(recordings, _Grid(steps, max_time, channels, pool, published))[0]


class _Grid(NamedTuple):
    steps: int
    max_time: float
    channels: int
    pool: int
    published: bool

    def check(self) -> None:
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


def _count(recordings: Recordings, first: int, last: int, grid: _Grid) -> NDArray[np.unsignedinteger[Any]]:
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


def _count_all(recordings: Recordings, grid: _Grid) -> NDArray[np.unsignedinteger[Any]]:
    grid.check()
    shape = (len(recordings), grid.steps, grid.channels // grid.pool)
    counting = 8 * max(shape[1] * shape[2], min(math.prod(shape), _CELLS_AT_ONCE))
    if problem := excess(math.prod(shape) + counting):
        raise DataError("frames", f"{shape[0]} of {shape[1]} steps and {shape[2]} channels {problem}")
    frames: NDArray[np.unsignedinteger[Any]] = np.zeros(shape, np.uint8)
    at_once = max(1, _CELLS_AT_ONCE // (shape[1] * shape[2]))
    for first in range(0, len(recordings), at_once):
        last = min(first + at_once, len(recordings))
        counts = _count(recordings, first, last, grid)
        if counts.dtype.itemsize > frames.dtype.itemsize:
            frames = frames.astype(counts.dtype)
        frames[first:last] = counts
    return frames


class FrameDataset(Dataset[tuple[Tensor, int]]):
    """Frames and labels, all in memory.

    Frames are kept as small integers (uint8 unless a count is above 255) and become float32 one sample at a
    time: SHD's 8156 training recordings at 250 steps and 140 channels take 285 MB instead of 1.1 GB.

    Args:
        frames: Counts of events, [samples, steps, channels], an integer type.
        labels: Index of the class of every sample, [samples].
        classes: Names of the classes.
        speakers: Index of the speaker of every sample, [samples]; 0 for all by default.

    Attributes:
        frames: The counts as a tensor, [samples, steps, channels], uint8 or int32.
        labels: int64 tensor, [samples].
        speakers: int64 tensor, [samples].
        classes: Names of the classes, a tuple.

    Raises:
        DataError: If the shapes do not fit, or a label is out of range. It is a ValueError.

    Examples:
        >>> import numpy as np
        >>> dataset = FrameDataset(np.ones((4, 10, 3), np.uint8), [0, 1, 0, 1], classes=["no", "yes"])
        >>> frames, label = dataset[1]
        >>> frames.shape, frames.dtype, label, dataset.num_classes
        (torch.Size([10, 3]), torch.float32, 1, 2)
    """

    def __init__(
        self,
        frames: NDArray[np.integer[Any]] | Tensor,
        labels: ArrayLike | Tensor,
        *,
        classes: Sequence[str],
        speakers: ArrayLike | Tensor | None = None,
    ) -> None:
        counts = np.asarray(frames)
        if counts.ndim != 3 or not np.issubdtype(counts.dtype, np.integer):
            got = f"got {counts.dtype} of shape {counts.shape}"
            raise DataError("frames", f"{got}, but they must be integers of shape [samples, steps, channels]")
        # torch computes little with the wider unsigned types, so counts above 255 are kept as int32.
        self.frames = torch.from_numpy(counts if counts.dtype == np.uint8 else counts.astype(np.int32))
        self.classes = tuple(str(name) for name in classes)
        self.labels = _sample_indices(labels, "labels", len(counts), len(self.classes))
        self.speakers = _sample_indices(
            np.zeros(len(counts), np.int64) if speakers is None else speakers, "speakers", len(counts)
        )

    @staticmethod
    def from_recordings(
        recordings: Recordings,
        *,
        steps: int,
        max_time: float,
        pool: int = 1,
        published: bool = False,
        allow_empty: bool = False,
    ) -> FrameDataset:
        """Bin every recording as `bin_events` does.

        Args:
            recordings: The recordings.
            steps: Number of time steps.
            max_time: Length of the frames in seconds.
            pool: Number of neighbouring channels that are summed into one.
            published: Bin exactly as the paper's loader does.
            allow_empty: Keep recordings without an event before ``max_time``, as frames of zeros.

        Raises:
            DataError: If a recording has no event before ``max_time`` and ``allow_empty`` is false.
            ValueError: If an argument is out of its range.
        """
        counts = frames_of(
            recordings, steps=steps, max_time=max_time, pool=pool, published=published, allow_empty=allow_empty
        )
        return FrameDataset(counts, recordings.labels, classes=recordings.classes, speakers=recordings.speakers)

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.classes)

    @property
    def num_channels(self) -> int:
        """Number of input channels."""
        return self.frames.shape[2]

    @property
    def steps(self) -> int:
        """Number of time steps of every sample."""
        return self.frames.shape[1]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.frames[index].to(torch.float32), int(self.labels[index])

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({len(self)} samples, {self.steps} steps, "
            f"{self.num_channels} channels, {self.num_classes} classes)"
        )


def frames_of(
    recordings: Recordings,
    *,
    steps: int,
    max_time: float,
    pool: int = 1,
    published: bool = False,
    allow_empty: bool = False,
) -> NDArray[np.unsignedinteger[Any]]:
    """Count the events of all recordings.

    Arguments and errors are those of `FrameDataset.from_recordings`.

    Returns:
        Counts, [recordings, steps, channels // pool], of the narrowest unsigned type that holds them.
    """
    counts = _count_all(recordings, _Grid(steps, max_time, recordings.num_channels, pool, published))
    empty = np.flatnonzero(~counts.any(axis=(1, 2)))
    if empty.size and not allow_empty:
        check_times(recordings, counts, max_time)
        others = f", and {empty.size - 1} more" if empty.size > 1 else ""
        raise DataError(
            "times",
            f"recording {empty[0]}{others} has no event before max_time = {max_time} s; "
            "allow_empty=True keeps such recordings as frames of zeros",
        )
    return counts


def check_times(recordings: Recordings, counts: NDArray[np.unsignedinteger[Any]], max_time: float) -> None:
    """Raise if there are events, but none before ``max_time``: then times are hardly in seconds.

    Raises:
        DataError: If it is so.
    """
    if len(recordings.flat_times) and not counts.any():
        first, last = recordings.flat_times.min(), recordings.flat_times.max()
        raise DataError(
            "times",
            f"no event is before max_time = {max_time} s: they are at {first:g} to {last:g}, "
            "which must be seconds (not microseconds, as tonic gives them)",
        )


def _sample_indices(values: ArrayLike | Tensor, field: str, samples: int, classes: int | None = None) -> Tensor:
    array = np.asarray(values)
    if array.shape != (samples,):
        raise DataError(field, f"got shape {array.shape}, but frames has {samples} samples")
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise DataError(field, f"got type {array.dtype}, but they must be integers")
    bad = np.flatnonzero((array < 0) | (array >= (np.inf if classes is None else classes)))
    if bad.size:
        allowed = "from 0" if classes is None else f"0 to {classes - 1}"
        raise DataError(field, f"sample {bad[0]} has {array[bad[0]]}, but allowed is {allowed}")
    return torch.from_numpy(array.astype(np.int64))
