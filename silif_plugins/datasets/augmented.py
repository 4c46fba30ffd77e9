"""Training frames whose events are changed anew every time they are taken."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import Tensor

from .augmentation import Augmentation, augment
from .errors import DataError
from .events import Recordings
from .frames import FrameDataset


class AugmentedFrames(FrameDataset):
    """Frames binned from augmented events, batch by batch; half a millisecond a recording.

    ``frames`` holds the unchanged ones, which everything gets that does not ask for changed ones.

    Args:
        dataset: The unchanged frames of the recordings.
        recordings: The events.
        augmentations: Applied one after the other, in channels before pooling.
        max_time: Length of the frames in seconds.
        pool: Number of neighbouring channels that are summed into one.
        published: Bin exactly as the SiLIF paper's loader does, see `bin_events`.

    Raises:
        DataError: If the frames are not those of the recordings.

    Examples:
        >>> import torch
        >>> from silif_plugins.datasets import DropEvents
        >>> recordings = Recordings([[0.1] * 100], [[0] * 100], [0], classes=["a"], num_channels=1)
        >>> frames = FrameDataset.from_recordings(recordings, steps=4, max_time=1.0)
        >>> augmented = AugmentedFrames(frames, recordings, [DropEvents(0.5)], max_time=1.0)
        >>> 30 < augmented.take(torch.tensor([0]), np.random.default_rng(0)).sum() < 70
        tensor(True)
    """

    def __init__(
        self,
        dataset: FrameDataset,
        recordings: Recordings,
        augmentations: Sequence[Augmentation],
        *,
        max_time: float,
        pool: int = 1,
        published: bool = False,
    ) -> None:
        if len(dataset) != len(recordings) or dataset.num_channels * pool != recordings.num_channels:
            raise DataError("dataset", f"got {dataset!r}, which are not the frames of {recordings!r}")
        super().__init__(dataset.frames.numpy(), dataset.labels, classes=dataset.classes, speakers=dataset.speakers)
        self._recordings, self._augmentations = recordings, list(augmentations)
        self._max_time, self._pool, self._published = max_time, pool, published

    def take(self, indices: Tensor, generator: np.random.Generator) -> Tensor:
        """Return newly augmented frames [len(indices), steps, channels]."""
        chosen = [self._recordings[int(index)] for index in indices]
        changed = [augment(each.times, each.units, self._augmentations, generator) for each in chosen]
        recordings = Recordings(
            [times for times, _ in changed],
            [units for _, units in changed],
            [each.label for each in chosen],
            classes=self.classes,
            num_channels=self._recordings.num_channels,
        )
        return FrameDataset.from_recordings(
            recordings,
            steps=self.steps,
            max_time=self._max_time,
            pool=self._pool,
            published=self._published,
            allow_empty=True,
        ).frames
