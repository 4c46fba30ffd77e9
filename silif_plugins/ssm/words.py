"""Many words at the cost of the frequent ones: one set of adaptive vectors that reads words and predicts them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from torch import Tensor, nn


class AdaptiveWords(nn.Module):
    """Vectors of words, long for frequent and short for rare ones, and the adaptive softmax of the same vectors.

    Words 1 to V are sorted by frequency, and cut into parts. Words of part i have vectors of H / d^i numbers, which a
    matrix of the part brings to length H (Baevski and Auli, 2019). The softmax is PyTorch's (Grave and others, 2017);
    reading and predicting share all weights, as is usual for WikiText-103.

    Args:
        vocabulary: V.
        width: Length H of the vectors outside.
        cutoffs: First words of the parts but the first, ascending; those beyond V are left out.
        divisor: d.

    Raises:
        ValueError: If the cutoffs do not ascend, or ``divisor`` is below 1.

    Examples:
        >>> import torch
        >>> words = AdaptiveWords(1000, 16, cutoffs=(100, 500))
        >>> vectors = words(torch.tensor([[1, 7, 999]]))
        >>> vectors.shape, words.log_likelihoods(vectors, torch.tensor([[7, 999, 3]])).shape
        (torch.Size([1, 3, 16]), torch.Size([1, 3]))
    """

    def __init__(self, vocabulary: int, width: int, *, cutoffs: Sequence[int], divisor: float = 4.0) -> None:
        super().__init__()
        check_words(cutoffs, divisor)
        self.vocabulary, self.width = vocabulary, width
        # Its last part may not be empty, and there must be two.
        within = [each for each in cutoffs if each < vocabulary] or [max(vocabulary // 2, 1)]
        self.softmax = nn.AdaptiveLogSoftmaxWithLoss(width, vocabulary, within, div_value=divisor)

    def extra_repr(self) -> str:
        """Return the sizes, for ``print``."""
        return f"{self.vocabulary} words, {self.width}"

    def forward(self, words: Tensor) -> Tensor:
        """Return vectors [..., H] of words [...], integers 1 to V; those of 0, which is no word, are zero.

        Raises:
            ValueError: If a number is no word.
        """
        if words.numel() and not 0 <= int(words.min()) <= int(words.max()) <= self.vocabulary:
            got = f"{int(words.min())} to {int(words.max())}"
            raise ValueError(f"words: got {got}; they must be 0 to {self.vocabulary}")
        flat = words.flatten() - 1
        first = self.softmax.cutoffs[0]
        found = self.softmax.head.weight.new_zeros(len(flat), self.width)
        for part, (start, stop) in enumerate(pairwise([0, *self.softmax.cutoffs])):
            places = ((flat >= start) & (flat < stop)).nonzero().squeeze(1)
            chosen = flat[places] - start
            if part == 0:
                vectors = nn.functional.embedding(chosen, self.softmax.head.weight[:first])
            else:
                tail: Any = self.softmax.tail[part - 1]  # brings H to what the words of the part have, and to them
                vectors = nn.functional.embedding(chosen, tail[1].weight) @ tail[0].weight
            found = found.index_put((places,), vectors.to(found.dtype))
        # The weights are of the size that a softmax wants; read, they are of variance 1/3.
        return (found * self.width**0.5).view(*words.shape, self.width)

    def log_likelihoods(self, vectors: Tensor, words: Tensor) -> Tensor:
        """Return the logarithm of the probability of each word [...], 1 to V, given vectors [..., H]."""
        likelihoods: Tensor = self.softmax(vectors.flatten(0, -2), words.flatten() - 1).output
        return likelihoods.view(words.shape)


def check_words(cutoffs: Sequence[int], divisor: float) -> None:
    """Raise ValueError unless cutoffs ascend from 1, and the divisor is at least 1."""
    if not cutoffs or cutoffs[0] < 1 or list(cutoffs) != sorted(set(cutoffs)):
        raise ValueError(f"cutoffs: got {tuple(cutoffs)}; they must be positive and ascend")
    if divisor < 1:
        raise ValueError(f"divisor: got {divisor}; it must be at least 1")
