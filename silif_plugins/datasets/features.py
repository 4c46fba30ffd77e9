"""Sequences of real numbers of different lengths, all in memory or mapped into it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from .errors import DataError
from .frames import FrameDataset


class FeatureDataset(FrameDataset):
    """Sequences of features, such as log-mel energies, filled up with zeros to the same length.

    It is used as the FrameDataset that it is: real numbers instead of counts, and lengths besides.

    Args:
        frames: Features, [samples, steps, channels], float32.
        labels: Index of the class of every sample, [samples].
        classes: Names of the classes.
        lengths: Steps of every sample, 1 to ``steps``, [samples]; what follows is padding.
        speakers: Index of the speaker of every sample, [samples]; 0 for all by default.

    Attributes:
        lengths: int64 tensor, [samples].

    Raises:
        DataError: If the shapes do not fit, a feature is not finite, or a label or length is out of range.

    Examples:
        >>> import numpy as np
        >>> dataset = FeatureDataset(np.ones((2, 10, 3), np.float32), [0, 1], classes=["no", "yes"], lengths=[10, 7])
        >>> dataset
        FeatureDataset(2 samples, 10 steps, 3 channels, 2 classes)
        >>> frames, label = dataset[1]     # without its padding
        >>> frames.shape
        torch.Size([7, 3])
    """

    def __init__(
        self,
        frames: NDArray[np.float32],
        labels: ArrayLike,
        *,
        classes: Sequence[str],
        lengths: ArrayLike,
        speakers: ArrayLike | None = None,
    ) -> None:
        if frames.ndim != 3 or frames.dtype != np.float32:
            got = f"got {frames.dtype} of shape {frames.shape}"
            raise DataError("frames", f"{got}, but they must be float32 of shape [samples, steps, channels]")
        # The base class checks labels and speakers; its counts are not needed, so it gets none.
        super().__init__(np.zeros((len(frames), 1, 0), np.uint8), labels, classes=classes, speakers=speakers)
        self.frames = torch.from_numpy(frames)
        self.lengths = _lengths(lengths, frames.shape)
        for first in range(0, len(frames), 4096):  # in parts: the whole may be mapped from disk
            finite = np.isfinite(frames[first : first + 4096]).all(axis=(1, 2))
            if not finite.all():
                raise DataError("frames", f"sample {first + int(finite.argmin())} has a value that is not finite")

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.frames[index, : self.lengths[index]], int(self.labels[index])


def _lengths(values: ArrayLike, shape: tuple[int, ...]) -> Tensor:
    array: NDArray[Any] = np.asarray(values)
    if array.shape != shape[:1] or (array.size and not np.issubdtype(array.dtype, np.integer)):
        raise DataError("lengths", f"got {array.dtype} of shape {array.shape}, but they must be {shape[0]} integers")
    bad = np.flatnonzero((array < 1) | (array > shape[1]))
    if bad.size:
        raise DataError("lengths", f"sample {bad[0]} has {array[bad[0]]}, but allowed is 1 to {shape[1]}")
    return torch.from_numpy(array.astype(np.int64))
