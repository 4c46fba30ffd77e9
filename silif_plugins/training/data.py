"""The three splits of a data set, as the settings want them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from ..datasets import FrameDataset, Recordings, hold_out_speakers, load, read_recordings, spoken_digit_recordings
from ..datasets.augmentation import Augmentation, ChannelJitter, DropEvents, TimeJitter
from ..datasets.augmented import AugmentedFrames
from ..datasets.batching import Batches, batches
from ..datasets.loading import NAMES, find_file
from ..datasets.sources import find_files
from .config import TrainConfig
from .parallel import ALONE, Share

VALIDATION_SET = "validation set"
TEST_SET = "test set, as published"


@dataclass(frozen=True)
class Splits:
    """Training, validation and test part of a data set.

    Attributes:
        train: To train on.
        valid: To choose the epoch on.
        test: To report.
        selected_on: What ``valid`` is; it stands in the result.
    """

    train: FrameDataset
    valid: FrameDataset
    test: FrameDataset
    selected_on: str = VALIDATION_SET

    @classmethod
    def load(cls, config: TrainConfig) -> Splits:
        """Load the three parts that the settings name.

        Without a file for validation, as SHD is, some speakers of the training set are held out for it, or the
        test set is used for both, as published, if ``config.selection`` says so.

        Raises:
            ValueError: If the data set is unknown, a file is damaged, or the parts do not fit each other.
            FileNotFoundError: If a part is missing.
        """
        train, test = _load(config, "train"), _load(config, "test")
        if has_validation_set(config):
            parts = cls(train, _load(config, "valid"), test)
        elif config.selection == "published":
            parts = cls(train, test, test, TEST_SET)
        else:
            held = hold_out_speakers(train)
            speakers = ", ".join(map(str, held.speakers))
            parts = cls(held.train, held.valid, test, f"held-out speakers {speakers} of the training set")
        for part, name in ((parts.valid, "valid"), (parts.test, "test")):
            if part.classes != parts.train.classes or part.num_channels != parts.train.num_channels:
                raise ValueError(
                    f"{config.data}: {name} has {part.num_channels} channels and {part.num_classes} classes; "
                    f"train has {parts.train.num_channels} and {parts.train.num_classes}"
                )
        return cls(augmented(config, parts.train), parts.valid, parts.test, parts.selected_on)


def load_split(config: TrainConfig, split: str) -> FrameDataset:
    """Load one part of the data set that the settings name.

    Raises:
        ValueError: If the data set or the split is unknown, or a file is damaged.
        FileNotFoundError: If it is missing.
    """
    if split in ("train", "valid") and not has_validation_set(config):
        parts = Splits.load(config)
        return parts.train if split == "train" else parts.valid
    return _load(config, split)


def has_validation_set(config: TrainConfig) -> bool:
    """Whether the data set has a part for validation: all have, except folders of HDF5 files without one."""
    if config.data in NAMES or not find_files(config.data, "*_train.h5"):
        return True
    return bool(find_files(config.data, "*_valid.h5"))


def augmented(config: TrainConfig, train: FrameDataset) -> FrameDataset:
    """Return training frames that are augmented as the settings want.

    Raises:
        ValueError: If the data set has no events to augment.
    """
    if not config.augment:
        return train
    if config.data == "spoken-digits":
        recordings = spoken_digit_recordings("train")
    elif find_files(config.data, "*_train.h5"):
        recordings = _of_speakers(read_recordings(find_file(config.data, "train")), train)
    else:
        raise ValueError(f"augment: got {config.augment}; {config.data} has no events, only their frames")
    channels = recordings.num_channels
    makers: dict[str, Callable[[float], Augmentation]] = {
        "drop": DropEvents,
        "channel_jitter": lambda sd: ChannelJitter(sd, channels),
        "time_jitter": TimeJitter,
    }
    chosen = [make(config.augment[name]) for name, make in makers.items() if name in config.augment]
    max_time = 1.0 if config.max_time is None else config.max_time
    return AugmentedFrames(train, recordings, chosen, max_time=max_time, pool=config.pool, published=config.published)


def _of_speakers(recordings: Recordings, train: FrameDataset) -> Recordings:
    """Leave out the recordings of speakers that are not in the training part."""
    if len(recordings) == len(train):
        return recordings
    kept = torch.isin(torch.from_numpy(recordings.speakers), train.speakers).nonzero().flatten().tolist()
    chosen = [recordings[index] for index in kept]
    return Recordings(
        [each.times for each in chosen],
        [each.units for each in chosen],
        [each.label for each in chosen],
        classes=recordings.classes,
        num_channels=recordings.num_channels,
        speakers=[each.speaker for each in chosen],
    )


def _load(config: TrainConfig, split: str) -> FrameDataset:
    return load(
        config.data,
        split,
        steps=config.steps,
        max_time=config.max_time,
        pool=config.pool,
        published=config.published,
        allow_empty=config.allow_empty or config.published,
        permute=config.permute,
    )


def shuffled(
    dataset: FrameDataset,
    batch_size: int,
    generator: torch.Generator,
    share: Share = ALONE,
    *,
    pad: bool = True,
    augment: bool = False,
) -> Batches:
    """Batches in random order."""
    return batches(dataset, batch_size, shuffle=generator, rank=share.rank, world=share.world, pad=pad, augment=augment)


def in_order(dataset: FrameDataset, batch_size: int, share: Share = ALONE, *, pad: bool = True) -> Batches:
    """Batches in the order of the data set."""
    return batches(dataset, batch_size, rank=share.rank, world=share.world, pad=pad)
