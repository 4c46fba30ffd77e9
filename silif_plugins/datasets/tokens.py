"""Sequences of tokens, such as bytes or words: kept as numbers, given one-hot or as they are."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Self

import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from .errors import DataError
from .frames import FrameDataset


class TokenDataset(FrameDataset):
    """Sequences of tokens 1 to V, and their labels; 0 stands for no token, as after the end of a sequence.

    They are kept as numbers. Samples and batches have them one-hot, a channel for each token, so that any network can
    read them; or as the numbers that they are, for an embedding, from `as_numbers`.

    Args:
        tokens: Integers from 0 to V, [samples, steps, columns]; with several columns sequences lie side by side, such
            as two documents.
        labels: Index of the class of every sample, [samples].
        vocabulary: V.
        classes: Names of the classes.
        lengths: Steps of every sample where they differ.

    Attributes:
        vocabulary: V.
        one_hot: Whether samples and batches come one-hot.

    Raises:
        DataError: If a number is no token, or as `FrameDataset` does.

    Examples:
        >>> import numpy as np
        >>> dataset = TokenDataset(np.array([[[2], [3], [0]]]), [1], vocabulary=3, classes=["no", "yes"])
        >>> dataset
        TokenDataset(1 samples, 3 steps, 3 channels, 2 classes)
        >>> dataset[0][0].tolist()
        [[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]
        >>> dataset.as_numbers()[0][0].flatten().tolist()
        [2.0, 3.0, 0.0]
    """

    def __init__(
        self,
        tokens: NDArray[Any] | Tensor,
        labels: ArrayLike | Tensor,
        *,
        vocabulary: int,
        classes: Sequence[str],
        lengths: ArrayLike | Tensor | None = None,
    ) -> None:
        super().__init__(tokens, labels, classes=classes, lengths=lengths)
        if self.frames.is_floating_point():
            raise DataError("tokens", f"got {self.frames.dtype}, but they must be integers")
        if self.frames.numel():
            lowest, highest = int(self.frames.min()), int(self.frames.max())
            if lowest < 0 or highest > vocabulary:
                raise DataError("tokens", f"got {lowest} to {highest}, but allowed is 0 to {vocabulary}")
        self.vocabulary, self.one_hot = vocabulary, True

    @property
    def num_channels(self) -> int:
        """V, for each column: as many as one-hot tokens have, whatever they are given as."""
        return self.vocabulary * self.frames.shape[2]

    def as_numbers(self) -> Self:
        """Return the same samples, whose tokens are given as numbers, [steps, columns]."""
        numbers = copy.copy(self)
        numbers.one_hot = False
        return numbers

    def batch(self, chosen: Tensor, steps: int) -> Tensor:
        """Return the first steps of some samples: [B, steps, columns V] one-hot, or the numbers [B, steps, columns]."""
        tokens = super().batch(chosen, steps)
        return one_hot(tokens, self.vocabulary) if self.one_hot else tokens

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        tokens, label = super().__getitem__(index)
        return (one_hot(tokens, self.vocabulary).to(tokens.dtype) if self.one_hot else tokens), label


def one_hot(tokens: Tensor, vocabulary: int) -> Tensor:
    """Return tokens 0 to V, [..., columns], as uint8 [..., columns V]: a one where the token is, none for 0.

    Examples:
        >>> one_hot(torch.tensor([[2, 0]]), 2)
        tensor([[0, 1, 0, 0]], dtype=torch.uint8)
    """
    channels = torch.zeros((*tokens.shape, vocabulary + 1), dtype=torch.uint8, device=tokens.device)
    return channels.scatter_(-1, tokens.long().unsqueeze(-1), 1)[..., 1:].flatten(-2)
