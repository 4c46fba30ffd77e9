"""The three splits of a data set, as the settings want them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

from ..datasets import (
    OWN,
    SOURCES,
    Augmentation,
    Batches,
    ChannelJitter,
    DataSource,
    DropEvents,
    FrameDataset,
    FrontEnd,
    Root,
    TimeJitter,
    TokenDataset,
    batches,
    hold_out,
    own_source,
    resolve,
)
from .config import TrainConfig
from .model import reads_tokens
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
        name: What the data are called; empty if they do not say.
        options: How the data set was read: all its options, such as the steps of events.
        front_end: Name and settings of what turned sound into frames, see `silif_plugins.datasets.front_end`; None for
            data that are no sound.
    """

    train: FrameDataset
    valid: FrameDataset
    test: FrameDataset
    selected_on: str = VALIDATION_SET
    name: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    front_end: Mapping[str, Any] | None = None

    def __post_init__(self) -> None:
        what = self.name or "data"
        for part, name in ((self.train, "train"), (self.valid, "valid"), (self.test, "test")):
            if not len(part):
                raise ValueError(f"{what}: {name} has no samples")
            if part.classes != self.train.classes or part.num_channels != self.train.num_channels:
                raise ValueError(
                    f"{what}: {name} has {part.num_channels} channels and {part.num_classes} classes "
                    f"({_few(part.classes)}); train has {self.train.num_channels} and {self.train.num_classes} "
                    f"({_few(self.train.classes)})"
                )

    @classmethod
    def load(cls, config: TrainConfig) -> Splits:
        """Load the three parts that the settings name.

        Without a file for validation, as SHD is, some speakers of the training set are held out for it, or a tenth of
        each class if all are of one speaker, or the test set is used for both, as published, if ``config.selection``
        says so.

        Raises:
            ValueError: If the data set is unknown, a file is damaged, or the parts do not fit each other.
            FileNotFoundError: If a part is missing.
        """
        source, root, options = _settled(config)
        return cls._of_source(config, source, root, options, config.data)

    @classmethod
    def of(cls, data: Any, config: TrainConfig) -> Splits:
        """Make the three parts of data that are in memory.

        Args:
            data: What `silif_plugins.datasets.own_source` takes; or the three parts, which stay as they are.
            config: The settings; its ``data`` is the name of these, unless that is another data set's.

        Raises:
            ValueError: If the data are not what they must be.
            FileNotFoundError: If it is a source of data in a folder; its folder is named by ``config.data``.
        """
        if isinstance(data, cls):
            return data if data.name else replace(data, name=_own_name(config))
        source = own_source(data, _own_name(config))
        source.check_folder(None)
        return cls._of_source(config, source, None, config.data_options, source.name)

    @classmethod
    def _of_source(
        cls, config: TrainConfig, source: DataSource, root: Root | None, own: Mapping[str, Any], name: str
    ) -> Splits:
        options = _options(config, source, own)
        train = _train_set(config, source, root, options)
        test = source.frames("test", root, **options)
        if "valid" in source.splits(root):
            parts = (train, source.frames("valid", root, **options), test, VALIDATION_SET)
        elif config.selection == "published":
            parts = (train, test, test, TEST_SET)
        else:
            held = hold_out(train)
            parts = (held.train, held.valid, test, f"held-out {held.words} of the training set")
        train, valid, test = (_read_by(each, config) for each in parts[:3])
        return cls(train, valid, test, parts[3], name, source.options(options), _front_end(source, options))

    def about(self) -> dict[str, Any]:
        """Return what a result, a run's settings and a checkpoint say of the data, as JSON has it."""
        return {
            "name": self.name,
            "classes": list(self.train.classes),
            "options": dict(self.options),
            "front_end": None if self.front_end is None else dict(self.front_end),
            "samples": {name: len(getattr(self, name)) for name in ("train", "valid", "test")},
        }


def _front_end(source: DataSource, options: Mapping[str, Any]) -> dict[str, Any] | None:
    try:
        return source.front_end(options).settings()
    except ValueError:  # no sound, or not as front ends have it
        return None


def _few(classes: Sequence[str]) -> str:
    return f"{', '.join(classes[:5])}{', ...' if len(classes) > 5 else ''}"


def _own_name(config: TrainConfig) -> str:
    """What data in memory are called: what the settings say, unless that means other data."""
    return OWN if config.data in SOURCES or Path(config.data).expanduser().is_dir() else os.fspath(config.data)


def load_split(config: TrainConfig, split: str) -> FrameDataset:
    """Load one part of the data set that the settings name.

    Raises:
        ValueError: If the data set or the split is unknown, or a file is damaged.
        FileNotFoundError: If it is missing.
    """
    source, root, own = _settled(config)
    if split in ("train", "valid") and "valid" not in source.splits(root):
        parts = Splits._of_source(config, source, root, own, config.data)
        return parts.train if split == "train" else parts.valid
    return _read_by(source.frames(split, root, **_options(config, source, own)), config)


def _read_by(dataset: FrameDataset, config: TrainConfig) -> FrameDataset:
    """Return a data set as the network reads it: tokens as numbers, if it looks them up.

    Raises:
        ValueError: If it looks tokens up, and there are none.
    """
    if not reads_tokens(config.architecture, config.options):
        return dataset
    if not isinstance(dataset, TokenDataset):
        raise ValueError(f"encoder: {config.architecture} reads tokens, but {dataset!r} has none")
    return dataset.as_numbers()


def _settled(config: TrainConfig) -> tuple[DataSource, Root | None, dict[str, Any]]:
    """Return the data set that the settings name, its folder, and those of its own options that it still takes."""
    source, root = resolve(config.data)
    return source.settled(root, config.data_options)


def front_end_of(config: TrainConfig) -> FrontEnd:
    """Return what turns recordings of sound into the input of a network with these settings.

    Raises:
        ValueError: If the data set is unknown, or not made of sound.

    Examples:
        >>> front_end_of(TrainConfig(data="spoken-digits", steps=50)).step
        0.02
    """
    source, _, own = _settled(config)
    return source.front_end(_options(config, source, own))


def _train_set(config: TrainConfig, source: DataSource, root: Root | None, options: dict[str, Any]) -> FrameDataset:
    """Load the training set with all its speakers; augmented, if the settings want it, its events read once.

    Raises:
        ValueError: If the data set has no events to augment.
    """
    if not config.augment:
        return source.frames("train", root, **options)
    if source.recordings is None:
        raise ValueError(f"augment: got {config.augment}; {source.name} has no events, only their frames")
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


def _options(config: TrainConfig, source: DataSource, own: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the settings ask of the data; what they leave open is the data set's own."""
    settings = {name: getattr(config, name) for name in ("steps", "max_time", "pool", "allow_empty", "permute")}
    options = {
        name: value
        for name, value in settings.items()
        if name in source.defaults or not (value is None or value is False)
    }
    if config.published:  # what is not binned is as published anyway
        options |= {name: True for name in ("published", "allow_empty") if name in source.defaults}
    return {**options, **own}


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
