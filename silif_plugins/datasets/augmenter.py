"""Frames whose events are changed anew every time they are taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from .augmentation import Augmentation, augment
from .binning import Grid, count
from .events import Recordings


@dataclass(frozen=True)
class Augmenter:
    """Bins augmented events, batch by batch; half a millisecond a recording.

    Attributes:
        recordings: The events.
        augmentations: Applied one after the other, in channels before pooling.
        grid: Time steps and channels of the frames.
        rows: Which recording each sample is, int64 [samples].

    Examples:
        >>> from silif_plugins.datasets import DropEvents
        >>> recordings = Recordings([[0.1] * 100], [[0] * 100], [0], classes=["a"], num_channels=1)
        >>> augmenter = Augmenter(recordings, [DropEvents(0.5)], Grid(4, 1.0, channels=1), torch.tensor([0]))
        >>> 30 < augmenter(torch.tensor([0]), np.random.default_rng(0)).sum() < 70
        tensor(True)
    """

    recordings: Recordings
    augmentations: Sequence[Augmentation]
    grid: Grid
    rows: Tensor

    def __call__(self, samples: Tensor, generator: np.random.Generator) -> Tensor:
        """Return newly augmented frames [len(samples), steps, channels], in integers."""
        chosen = [self.recordings[int(row)] for row in self.rows[samples]]
        changed = [augment(each.times, each.units, self.augmentations, generator) for each in chosen]
        recordings = Recordings(
            [times for times, _ in changed],
            [units for _, units in changed],
            [each.label for each in chosen],
            classes=self.recordings.classes,
            num_channels=self.recordings.num_channels,
        )
        counts = count(recordings, self.grid)
        return torch.from_numpy(counts if counts.dtype == np.uint8 else counts.astype(np.int32))

    def subset(self, samples: Tensor | slice) -> Augmenter:
        """Return that of some samples; the events are shared, not copied."""
        return replace(self, rows=self.rows[samples])
