"""A validation set by speakers, for data that come without one."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .errors import DataError
from .frames import FrameDataset

SHARE = 0.1
"""Least share of the recordings that is held out."""


@dataclass(frozen=True)
class HeldOut:
    """A training set in two parts that have no speaker in common.

    Attributes:
        train: What is left for training.
        valid: What is held out.
        speakers: The speakers of ``valid``.
    """

    train: FrameDataset
    valid: FrameDataset
    speakers: tuple[int, ...]


def hold_out_speakers(dataset: FrameDataset) -> HeldOut:
    """Hold out the speakers with the highest numbers, as few as make up a tenth of the recordings.

    Nothing is drawn at random: everybody who trains on the data has the same validation set. For SHD, whose training
    file has ten speakers, it is one or two of them. Its test file has two more, so choosing the epoch on unheard
    speakers is closer to the test than choosing on heard ones.

    Raises:
        DataError: If all recordings are of one speaker.

    Examples:
        >>> import numpy as np
        >>> frames = np.zeros((6, 5, 2), np.uint8)
        >>> dataset = FrameDataset(frames, [0, 1] * 3, classes=["no", "yes"], speakers=[0, 0, 1, 1, 2, 2])
        >>> parts = hold_out_speakers(dataset)
        >>> parts.train, parts.valid, parts.speakers
        (FrameDataset(4 samples, ...), FrameDataset(2 samples, ...), (2,))
    """
    speakers, counts = dataset.speakers.unique(return_counts=True)
    if len(speakers) < 2:
        raise DataError("speakers", "all recordings are of one speaker, so none can be held out for validation")
    from_the_end = counts.flip(0).cumsum(0)
    number = 1 + int((from_the_end < SHARE * len(dataset)).sum())
    number = min(number, len(speakers) - 1)
    held = speakers[-number:]
    valid = torch.isin(dataset.speakers, held)
    return HeldOut(dataset.subset(~valid), dataset.subset(valid), tuple(held.tolist()))
