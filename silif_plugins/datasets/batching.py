"""The one path from any data set to batches of sequences."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler, Sampler, SequentialSampler

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
        """Move to a device; the frames become float32 there, so that small integers travel.

        In memory they then lie as [T, B, C], which is how spiking layers read them.
        """
        lengths = None if self.lengths is None else self.lengths.to(device)
        steps = self.frames.transpose(0, 1).contiguous().to(device).float()
        return Batch(steps.transpose(0, 1), self.labels.to(device), lengths)

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
    augment: bool = False,
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
        augment: Whether a data set that is `augmented` gives changed frames; their random numbers come from
            ``shuffle`` too.

    Raises:
        ValueError: If the batch size is not positive, or frames are to be augmented without ``shuffle``.

    Examples:
        >>> from silif_plugins.datasets import SpokenDigits
        >>> batch = next(iter(batches(SpokenDigits("valid", steps=50), 32)))
        >>> batch.frames.shape, batch.labels.shape, batch.lengths
        (torch.Size([32, 50, 140]), torch.Size([32]), None)
        >>> batch.to("cpu").time_first().frames.shape
        torch.Size([50, 32, 140])
    """
    if batch_size < 1:
        raise ValueError(f"batch_size: got {batch_size}; it must be positive")
    if augment and shuffle is None:
        raise ValueError("shuffle: got none; augmentation draws its random numbers from it")
    order: Sampler[int] = SequentialSampler(dataset) if shuffle is None else RandomSampler(dataset, generator=shuffle)
    sampler = BatchSampler(order, min(batch_size, max(1, len(dataset))), drop_last=False)
    loader: Batches = DataLoader(
        _Taken(dataset, rank, world, pad, shuffle if augment else None), sampler=sampler, batch_size=None
    )
    return loader


def ahead(loader: Batches, device: str | torch.device = "cpu") -> Iterator[Batch]:
    """Iterate over batches on a device, while a thread makes the next one: whoever trains on this does not wait for it.

    Args:
        loader: Makes the batches.
        device: Where they are to go, as by `Batch.to`.

    Examples:
        >>> from silif_plugins.datasets import SpokenDigits
        >>> sum(len(batch.labels) for batch in ahead(batches(SpokenDigits("valid", steps=50), 32)))
        480
    """
    iterator = iter(loader)  # draws a random number: here, not in the thread
    moved = (batch.to(device) for batch in iterator)
    with ThreadPoolExecutor(1) as thread:
        pending = thread.submit(next, moved, None)
        while (batch := pending.result()) is not None:
            pending = thread.submit(next, moved, None)
            yield batch


class _Taken(Dataset[Batch]):
    """Whole batches by the list of their samples: one indexing of the tensors, ten times faster than collating."""

    def __init__(
        self, dataset: FrameDataset, rank: int, world: int, pad: bool, augment: torch.Generator | None
    ) -> None:
        self.dataset, self.rank, self.world, self.pad, self.augment = dataset, rank, world, pad, augment

    def __getitem__(self, samples: list[int]) -> Batch:
        dataset = self.dataset
        chosen = torch.tensor(samples[self.rank :: self.world], dtype=torch.int64)
        lengths, longest = None, dataset.steps
        if dataset.lengths is not None:
            # The longest of the whole batch, also of the samples that other processes take.
            longest, lengths = int(dataset.lengths[torch.tensor(samples)].max()), dataset.lengths[chosen]
            if not self.pad or bool((lengths == longest).all()):
                lengths = None
        if self.augment is not None and dataset.augmenter is not None:
            seed = int(torch.randint(2**62, (1,), generator=self.augment))
            frames = dataset.augmenter(chosen, np.random.default_rng((seed, self.rank)))[:, :longest]
        else:
            frames = dataset.batch(chosen, longest)
        return Batch(frames, dataset.labels[chosen], lengths)
