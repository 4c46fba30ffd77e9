"""The three splits of a data set, and batches of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, Sampler, SequentialSampler, TensorDataset

from ..datasets import FrameDataset, load
from .config import TrainConfig

Batches = DataLoader[tuple[Tensor, Tensor]]
"""Yields frames [B, T, C], small integers, and labels [B]."""


@dataclass(frozen=True)
class Splits:
    """Training, validation and test part of a data set."""

    train: FrameDataset
    valid: FrameDataset
    test: FrameDataset

    @classmethod
    def load(cls, config: TrainConfig) -> Splits:
        """Load the three parts that the settings name.

        Raises:
            ValueError: If the data set is unknown, a file is damaged, or the parts do not fit each other.
            FileNotFoundError: If a part is missing.
        """
        parts = [load_split(config, name) for name in ("train", "valid", "test")]
        for part, name in zip(parts[1:], ("valid", "test"), strict=True):
            if part.classes != parts[0].classes or part.num_channels != parts[0].num_channels:
                raise ValueError(
                    f"{config.data}: {name} has {part.num_channels} channels and {part.num_classes} classes; "
                    f"train has {parts[0].num_channels} and {parts[0].num_classes}"
                )
        return cls(*parts)


def load_split(config: TrainConfig, split: str) -> FrameDataset:
    """Load one part of the data set that the settings name."""
    return load(config.data, split, steps=config.steps, max_time=config.max_time, pool=config.pool)


def shuffled(dataset: FrameDataset, batch_size: int, generator: torch.Generator) -> Batches:
    """Batches in random order."""
    return _batches(dataset, RandomSampler(dataset, generator=generator), batch_size)


def in_order(dataset: FrameDataset, batch_size: int) -> Batches:
    """Batches in the order of the data set."""
    return _batches(dataset, SequentialSampler(dataset), batch_size)


def _batches(dataset: FrameDataset, sampler: Sampler[int], batch_size: int) -> Batches:
    # A whole batch is one indexing of the tensors; fetching and collating single samples costs ten times as much.
    tensors = TensorDataset(dataset.frames, dataset.labels)
    batches: Batches = DataLoader(tensors, sampler=BatchSampler(sampler, batch_size, False), batch_size=None)  # type: ignore[arg-type]
    return batches
