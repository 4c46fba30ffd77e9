"""A validation set for data that come without one: by speakers, or else a fixed part of every class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from .errors import DataError
from .frames import FrameDataset

SHARE = 0.1
"""Least share of the recordings that is held out."""


@dataclass(frozen=True)
class HeldOut:
    """A training set in two parts that have no speaker in common, if it has several.

    Attributes:
        train: What is left for training.
        valid: What is held out.
        speakers: The speakers of ``valid``; empty if all recordings are of one.
    """

    train: FrameDataset
    valid: FrameDataset
    speakers: tuple[int, ...]

    @property
    def words(self) -> str:
        """What is held out, in words."""
        if not self.speakers:
            return f"every {round(1 / SHARE)}th sample of each class"
        return f"speakers {', '.join(map(str, self.speakers))}"


def hold_out(dataset: FrameDataset) -> HeldOut:
    """Hold out a tenth of the recordings: by speakers as `hold_out_speakers`, or of every class if there is only one.

    Nothing is drawn at random, and samples that are added at the end move none of the others.

    Raises:
        DataError: If there are too few samples.

    Examples:
        >>> import numpy as np
        >>> dataset = FrameDataset(np.zeros((6, 5, 2), np.uint8), [0, 1] * 3, classes=["no", "yes"])
        >>> parts = hold_out(dataset)
        >>> parts.train, parts.valid, parts.words
        (FrameDataset(4 samples, ...), FrameDataset(2 samples, ...), 'every 10th sample of each class')
    """
    if len(dataset.speakers.unique()) > 1:
        return hold_out_speakers(dataset)
    held = of_each_class(dataset.labels.numpy(), SHARE)
    return HeldOut(dataset.subset(~held), dataset.subset(held), ())


def of_each_class(labels: NDArray[np.int64], share: float) -> NDArray[np.bool_]:
    """Choose a share of the samples of every class by their places: a boolean for each, [samples].

    Raises:
        DataError: If none are chosen, or none are left.

    Examples:
        >>> of_each_class(np.array([0, 1, 0, 1, 0]), 0.5).astype(int)
        array([0, 0, 1, 1, 0])
    """
    places = np.zeros(len(labels), np.int64)
    for label in np.unique(labels):
        own = labels == label
        places[own] = np.arange(own.sum())
    chosen: NDArray[np.bool_] = places % round(1 / share) == 1
    if not chosen.any():
        raise DataError("labels", f"got {len(labels)} samples of {len(np.unique(labels))} classes, too few to split")
    return chosen


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
