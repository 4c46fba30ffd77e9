"""The one path from any data set to batches of sequences."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler, Sampler, SequentialSampler

from .augmented import AugmentedFrames
from .features import FeatureDataset
from .frames import FrameDataset


class Batch(NamedTuple):
    """Some samples of a data set.

    Attributes:
        frames: [B, T, C], as the data set keeps them: small integers for spikes, float32 for features. T is the
            longest sample's number of steps.
        labels: int64, [B].
        lengths: Steps of every sample, int64 [B]; None if all have T.
    """

    frames: Tensor
    labels: Tensor
    lengths: Tensor | None

    def to(self, device: str | torch.device) -> Batch:
        """Move to a device; the frames become float32 there, so that small integers travel."""
        lengths = None if self.lengths is None else self.lengths.to(device)
        return Batch(self.frames.to(device).float(), self.labels.to(device), lengths)

    def time_first(self) -> Batch:
        """Return the frames as [T, B, C], as snnTorch and Norse want them."""
        return self._replace(frames=self.frames.transpose(0, 1))


Batches = DataLoader[Batch]


def batches(
    dataset: FrameDataset,
    batch_size: int,
    *,
    shuffle: torch.Generator | None = None,
    rank: int = 0,
    world: int = 1,
    pad: bool = True,
) -> Batches:
    """Iterate over a data set in batches.

    Args:
        dataset: Any of this package's data sets.
        batch_size: Samples in a batch; the last one has what is left.
        shuffle: Source of a random order; the order of the data set by default.
        rank: Which of ``world`` processes this is: it gets every ``world``-th sample of each batch.
        world: Number of processes that share each batch.
        pad: Whether shorter sequences come with their ``lengths``. False gives none, so that their zeros are
            input like any other, as in the published code.

    Raises:
        ValueError: If the batch size is not positive.

    Example:
        >>> from silif_plugins.datasets import SpokenDigits
        >>> batch = next(iter(batches(SpokenDigits("valid", steps=50), 32)))
        >>> batch.frames.shape, batch.labels.shape, batch.lengths
        (torch.Size([32, 50, 140]), torch.Size([32]), None)
        >>> batch.to("cpu").time_first().frames.shape
        torch.Size([50, 32, 140])
    """
    if batch_size < 1:
        raise ValueError(f"batch_size: got {batch_size}; it must be positive")
    order: Sampler[int] = SequentialSampler(dataset) if shuffle is None else RandomSampler(dataset, generator=shuffle)
    sampler = BatchSampler(order, batch_size, drop_last=False)
    loader: Batches = DataLoader(_Taken(dataset, rank, world, pad), sampler=sampler, batch_size=None)
    return loader


class _Taken(Dataset[Batch]):
    """Whole batches by the list of their samples: one indexing of the tensors, ten times faster than collating."""

    def __init__(self, dataset: FrameDataset, rank: int, world: int, pad: bool) -> None:
        self.dataset, self.rank, self.world, self.pad = dataset, rank, world, pad

    def __getitem__(self, samples: list[int]) -> Batch:
        dataset = self.dataset
        chosen = torch.tensor(samples[self.rank :: self.world], dtype=torch.int64)
        frames = dataset.take(chosen) if isinstance(dataset, AugmentedFrames) else dataset.frames[chosen]
        lengths = None
        if isinstance(dataset, FeatureDataset):
            # The longest of the whole batch, also of the samples that other processes take.
            longest = int(dataset.lengths[torch.tensor(samples)].max())
            frames, lengths = frames[:, :longest], dataset.lengths[chosen]
            if not self.pad or bool((lengths == longest).all()):
                lengths = None
        return Batch(frames, dataset.labels[chosen], lengths)
