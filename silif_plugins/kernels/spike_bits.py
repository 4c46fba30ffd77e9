"""Spikes as bits: what a layer of neurons hands to a connection that visits events alone.

A tensor of spikes, nearly all zero, costs 32 times as much memory as the bits, and a dense gradient of it as much
again. A connection that knows from the bits where spikes and open gates are reads and writes nothing else.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

WORD = 64
"""Bits of a word."""


class SpikeBits(NamedTuple):
    """The spikes of a layer, 64 neurons a word: bit i of word j is neuron 64 j + i.

    Attributes:
        planes: Spikes; which of their gradients matter (open gates); how many gates are open in all words before each:
            int64 [3, T, B, N / 64].
        events: How many spikes there are.
        open: The spikes at open gates, ``spikes.masked_select(gate)``, [K]: a connection gives its gradient to these in
            place of the spikes. They have no values, only that gradient.

    Examples:
        >>> import torch
        >>> from silif_plugins.neurons import SiLIF
        >>> from silif_plugins.scan import scan_layer
        >>> neuron, current = SiLIF(64), 3 * torch.randn(100, 2, 64)
        >>> bits, fired = scan_layer(neuron, current, as_bits=True).bits, scan_layer(neuron, current)
        >>> word, spikes = bits.planes[0, 50, 1].item(), fired.spikes[50, 1]
        >>> [word >> i & 1 for i in range(64)] == spikes.int().tolist()
        True
        >>> bits.open.shape == fired.spikes.masked_select(fired.gate).shape
        True
    """

    planes: Tensor
    events: int
    open: Tensor


def open_gates(planes: Tensor) -> int:
    """How many gates are open, of :attr:`SpikeBits.planes`."""
    if not planes.numel():
        return 0
    last, before = planes[1:].flatten(1)[:, -1].tolist()
    return int(before + (last % 2**WORD).bit_count())


def unpacked(words: Tensor) -> Tensor:
    """Words [..., W] as booleans [..., 64 W]."""
    if words.numel() == 0:
        return words.new_zeros((*words.shape[:-1], WORD * words.shape[-1]), dtype=torch.bool)
    each = np.unpackbits(words.numpy().view(np.uint8), bitorder="little")
    return torch.from_numpy(each).view(torch.bool).view(*words.shape[:-1], -1)
