"""The three splits of a data set, as the settings want them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from ..datasets import (
    Augmentation,
    Batches,
    ChannelJitter,
    DataSource,
    DropEvents,
    FrameDataset,
    FrontEnd,
    TimeJitter,
    batches,
    hold_out_speakers,
    resolve,
)
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
        source, root = resolve(config.data)
        train, test = _train_set(config), load_split(config, "test")
        if "valid" in source.splits(root):
            parts = cls(train, load_split(config, "valid"), test)
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
        return parts


def load_split(config: TrainConfig, split: str) -> FrameDataset:
    """Load one part of the data set that the settings name.

    Raises:
        ValueError: If the data set or the split is unknown, or a file is damaged.
        FileNotFoundError: If it is missing.
    """
    source, root = resolve(config.data)
    if split in ("train", "valid") and "valid" not in source.splits(root):
        parts = Splits.load(config)
        return parts.train if split == "train" else parts.valid
    return source.frames(split, root, **_options(config, source))


def front_end_of(config: TrainConfig) -> FrontEnd:
    """Return what turns recordings of sound into the input of a network with these settings.

    Raises:
        ValueError: If the data set is unknown, or not made of sound.

    Examples:
        >>> front_end_of(TrainConfig(data="spoken-digits", steps=50)).step
        0.02
    """
    source, _ = resolve(config.data)
    return source.front_end(_options(config, source))


def _train_set(config: TrainConfig) -> FrameDataset:
    """Load the training set with all its speakers; augmented, if the settings want it, its events read once.

    Raises:
        ValueError: If the data set has no events to augment.
    """
    source, root = resolve(config.data)
    options = _options(config, source)
    if not config.augment:
        return source.frames("train", root, **options)
    if source.recordings is None:
        raise ValueError(f"augment: got {config.augment}; {config.data} has no events, only their frames")
    recordings = source.events("train", root)
    binning = source.options(options)
    train = FrameDataset.from_recordings(recordings, **binning)
    makers: dict[str, Callable[[float], Augmentation]] = {
        "drop": DropEvents,
        "channel_jitter": lambda sd: ChannelJitter(sd, recordings.num_channels),
        "time_jitter": TimeJitter,
    }
    changes = [make(config.augment[name]) for name, make in makers.items() if name in config.augment]
    return train.augmented(
        recordings, changes, max_time=binning["max_time"], pool=binning["pool"], published=binning["published"]
    )


def _options(config: TrainConfig, source: DataSource) -> dict[str, Any]:
    """Return what the settings ask of the data; what they leave open is the data set's own."""
    settings = {name: getattr(config, name) for name in ("steps", "max_time", "pool", "allow_empty", "permute")}
    options = {
        name: value
        for name, value in settings.items()
        if name in source.defaults or not (value is None or value is False)
    }
    if config.published:  # what is not binned is as published anyway
        options |= {name: True for name in ("published", "allow_empty") if name in source.defaults}
    return {**options, **config.data_options}


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
