"""Frames, labels and speakers in memory, or mapped into it: the one class of all data sets."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.utils.data import Dataset

from .augmentation import Augmentation
from .augmenter import Augmenter
from .binning import Grid, frames_of, late_share, tell_late
from .errors import DataError
from .events import Recordings

_AT_ONCE = 4096  # samples that are looked at together: the whole may be mapped from disk


class FrameDataset(Dataset[tuple[Tensor, int]]):
    """Sequences of spikes or of features, and their labels.

    Counts of spikes are kept as small integers (uint8 unless a count is above 255) and become float32 one sample at a
    time: SHD's 8156 training recordings at 250 steps and 140 channels take 285 MB instead of 1.1 GB. Features, such as
    log-mel energies, are kept in float32.

    Args:
        frames: Counts of events in an integer type, spikes as booleans, or features in a float type, [samples, steps,
            channels].
        labels: Index of the class of every sample, [samples].
        classes: Names of the classes.
        lengths: Steps of every sample where they differ, 1 to ``steps``, [samples]; what follows is padding.
        speakers: Index of the speaker of every sample, [samples]; 0 for all by default.

    Attributes:
        frames: The frames as a tensor, [samples, steps, channels]; uint8 or int32, or float32 for features.
        labels: int64 tensor, [samples].
        lengths: int64 tensor, [samples]; None if no sample is shorter.
        speakers: int64 tensor, [samples].
        classes: Names of the classes, a tuple.
        augmenter: Makes changed frames in training, see `augmented`; None if nothing is to be changed.

    Raises:
        DataError: If the shapes do not fit, a feature is not finite, or a label or length is out of range. It is a
            ValueError.

    Examples:
        >>> import numpy as np
        >>> dataset = FrameDataset(np.ones((4, 10, 3), np.uint8), [0, 1, 0, 1], classes=["no", "yes"])
        >>> frames, label = dataset[1]
        >>> frames.shape, frames.dtype, label, dataset.num_classes
        (torch.Size([10, 3]), torch.float32, 1, 2)
        >>> dataset.take(3), dataset.subset([3, 0]).labels.tolist()
        (FrameDataset(3 samples, 10 steps, 3 channels, 2 classes), [1, 0])
        >>> features = np.ones((2, 10, 3), np.float32)
        >>> frames, label = FrameDataset(features, [0, 1], classes=["no", "yes"], lengths=[10, 7])[1]
        >>> frames.shape  # without its padding
        torch.Size([7, 3])
    """

    def __init__(
        self,
        frames: NDArray[Any] | Tensor,
        labels: ArrayLike | Tensor,
        *,
        classes: Sequence[str],
        lengths: ArrayLike | Tensor | None = None,
        speakers: ArrayLike | Tensor | None = None,
    ) -> None:
        self.frames = _frames(as_array(frames))
        self.classes = tuple(str(name) for name in classes)
        samples, steps, _ = self.frames.shape
        self.labels = _indices(labels, "labels", samples, 0, len(self.classes) - 1)
        self.lengths = None if lengths is None else _indices(lengths, "lengths", samples, 1, steps)
        self.speakers = _indices(np.zeros(samples, np.int64) if speakers is None else speakers, "speakers", samples, 0)
        self.augmenter: Augmenter | None = None

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
            DataError: If there are events, but none before ``max_time``, or a recording has none and ``allow_empty``
                is false.
            ValueError: If an argument is out of its range.
        """
        grid = Grid(steps, max_time, recordings.num_channels, pool, published)
        counts = frames_of(recordings, grid, allow_empty=allow_empty)
        if recordings.path is not None:
            tell_late(recordings.path, late_share(recordings, counts), max_time)
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
        """Number of time steps of the longest sample, and of all others with their padding."""
        return self.frames.shape[1]

    def subset(self, indices: Sequence[int] | NDArray[Any] | Tensor) -> Self:
        """Return a part of the samples, with all that belongs to them.

        Args:
            indices: Which samples, in the order that is wanted: integers from 0, or a boolean for every sample.

        Raises:
            ValueError: If an index is out of range, or they are neither integers nor one boolean a sample.
        """
        chosen = torch.as_tensor(indices if len(indices) else np.zeros(0, np.int64))
        if chosen.ndim != 1 or chosen.is_floating_point():
            raise ValueError(
                f"indices: got {chosen.dtype} of shape {tuple(chosen.shape)}; they must be a list of integers"
            )
        if chosen.dtype == torch.bool:
            if len(chosen) != len(self):
                raise ValueError(f"indices: got {len(chosen)} booleans for {len(self)} samples")
            chosen = chosen.nonzero().flatten()
        chosen = chosen.long()
        if len(chosen) and not (int(chosen.min()) >= 0 and int(chosen.max()) < len(self)):
            got = f"{int(chosen.min())} to {int(chosen.max())}"
            raise ValueError(f"indices: got {got}; they must be 0 to {len(self) - 1}")
        return self._part(chosen)

    def take(self, number: int) -> Self:
        """Return the first samples, without copying them.

        Args:
            number: How many.

        Raises:
            ValueError: If there are not so many.
        """
        if not 0 <= number <= len(self):
            raise ValueError(f"number: got {number}; it must be 0 to {len(self)}, the number of samples")
        return self._part(slice(number))

    def _part(self, chosen: Tensor | slice) -> Self:
        part = copy.copy(self)  # all of it is checked already
        part.frames, part.labels, part.speakers = self.frames[chosen], self.labels[chosen], self.speakers[chosen]
        part.lengths = None if self.lengths is None else self.lengths[chosen]
        part.augmenter = None if self.augmenter is None else self.augmenter.subset(chosen)
        return part

    def augmented(
        self,
        recordings: Recordings,
        augmentations: Sequence[Augmentation],
        *,
        max_time: float,
        pool: int = 1,
        published: bool = False,
    ) -> Self:
        """Return the same samples, whose events are changed anew whenever `batches` asks for it.

        ``frames`` stay the unchanged ones, which everything gets that does not ask for changed ones.

        Args:
            recordings: The events of these frames.
            augmentations: Applied one after the other, in channels before pooling.
            max_time: Length of the frames in seconds.
            pool: Number of neighbouring channels that are summed into one.
            published: Bin exactly as the SiLIF paper's loader does, see `bin_events`.

        Raises:
            DataError: If the frames are not those of the recordings.
        """
        if len(self) != len(recordings) or self.num_channels * pool != recordings.num_channels:
            raise DataError("dataset", f"got {self!r}, which are not the frames of {recordings!r}")
        grid = Grid(self.steps, max_time, recordings.num_channels, pool, published)
        changed = copy.copy(self)
        changed.augmenter = Augmenter(recordings, list(augmentations), grid, torch.arange(len(self)))
        return changed

    def batch(self, chosen: Tensor, steps: int) -> Tensor:
        """Return the first steps of some samples, [B, steps, channels], in the type in which they are kept."""
        return self.frames[:, :steps].index_select(0, chosen)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        length = None if self.lengths is None else int(self.lengths[index])
        return self.frames[index, :length].to(torch.float32), int(self.labels[index])

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({len(self)} samples, {self.steps} steps, "
            f"{self.num_channels} channels, {self.num_classes} classes)"
        )


def as_array(values: ArrayLike | Tensor) -> NDArray[Any]:
    """Return an array; NumPy has no bfloat16, so tensors of floats come in float32."""
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        return np.asarray(values.float() if values.is_floating_point() else values)
    return np.asarray(values)


def _frames(array: NDArray[Any]) -> Tensor:
    if array.ndim != 3 or array.dtype.kind not in "biuf":
        got = f"got {array.dtype} of shape {array.shape}"
        raise DataError(
            "frames", f"{got}, but they must be booleans, integers or floats of shape [samples, steps, channels]"
        )
    if 0 in array.shape[1:]:
        raise DataError("frames", f"got shape {array.shape}, but there must be at least one step and one channel")
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is told below
            array = array.astype(np.float32, copy=False)
        for first in range(0, len(array), _AT_ONCE):
            finite = np.isfinite(array[first : first + _AT_ONCE]).all(axis=(1, 2))
            if not finite.all():
                raise DataError("frames", f"sample {first + int(finite.argmin())} has a value that is not finite")
        return torch.from_numpy(array)
    if array.dtype.itemsize == 1 and array.dtype.kind in "bu":
        return torch.from_numpy(array.astype(np.uint8, copy=False))
    # torch computes little with the wider unsigned types, so counts above 255 are kept as int32.
    limits = np.iinfo(np.int32)
    if array.size and not (limits.min <= int(array.min()) and int(array.max()) <= limits.max):
        got = f"got integers from {array.min()} to {array.max()}"
        raise DataError("frames", f"{got}, but allowed is {limits.min} to {limits.max}")
    return torch.from_numpy(array.astype(np.int32))


def _indices(values: ArrayLike | Tensor, field: str, samples: int, least: int, most: int | None = None) -> Tensor:
    """Check one integer for every sample."""
    array = as_array(values)
    if array.shape != (samples,):
        raise DataError(field, f"got shape {array.shape}, but frames has {samples} samples")
    if array.size and not np.issubdtype(array.dtype, np.integer):
        raise DataError(field, f"got type {array.dtype}, but they must be integers")
    bad = np.flatnonzero((array < least) | (array > (np.inf if most is None else most)))
    if bad.size:
        allowed = f"from {least}" if most is None else f"{least} to {most}"
        raise DataError(field, f"sample {bad[0]} has {array[bad[0]]}, but allowed is {allowed}")
    return torch.from_numpy(array.astype(np.int64))
