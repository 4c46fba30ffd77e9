"""The lags of each channel whose shares are not zero, next to each other."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from .taps import without_ends


class NonzeroLags(NamedTuple):
    """As many successive lags of each channel as the one with the most has that are not zero, within all lags.

    Attributes:
        first: The first of them, int32 [N].
        shares: [N, most].
        lags: How many lags there are in all.
    """

    first: Tensor
    shares: Tensor
    lags: int

    @property
    def most(self) -> int:
        """How many they are."""
        return self.shares.shape[1]

    def of_all(self, grad: Tensor) -> Tensor:
        """Return the gradient of the shares of all lags [lags, N], from that of these; 0 elsewhere."""
        places = self.first.long().unsqueeze(1) + torch.arange(self.most)
        return grad.new_zeros(len(grad), self.lags).scatter_(1, places, grad).t()


def nonzero_lags(taps: Tensor) -> NonzeroLags:
    """Take those shares of lags [lags, N], at least one, that are not below the rounding of their sum.

    Examples:
        >>> found = nonzero_lags(torch.tensor([[0.0, 0.8], [0.5, 0.2], [0.5, 1e-9]]))
        >>> found.first.tolist(), found.shares.tolist()
        ([1, 0], [[0.5, 0.5], [0.800000011920929, 0.20000000298023224]])
    """
    shares, numbers = without_ends(taps).t(), torch.arange(len(taps))
    there = shares > 0
    first = torch.where(there, numbers, len(taps) - 1).amin(1)
    most = max(1, int((torch.where(there, numbers, -1).amax(1) - first).max()) + 1)
    first = first.clamp(max=len(taps) - most)
    return NonzeroLags(first.int(), shares.gather(1, first.unsqueeze(1) + numbers[:most]), len(taps))
