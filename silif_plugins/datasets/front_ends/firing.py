"""The neurons of the model cochlea, compiled: hours of sound are as many steps as channels times milliseconds."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...kernels.compile import jitted


@jitted(nogil=True, error_model="numpy")
def fired(
    levels: NDArray[np.float64],
    draws: NDArray[np.float64],
    decay: float,
    threshold: float,
    threshold_noise: float,
    refractory: int,
) -> Any:
    """Return the spikes, [milliseconds, channels], of levels and random numbers of the same shape.

    Each number is computed as NumPy would, in this order and without fused operations, so that no spike moves.
    """
    milliseconds, channels = levels.shape
    spikes = np.zeros((milliseconds, channels), np.bool_)
    membrane, rest = np.zeros(channels), np.zeros(channels, np.int64)
    for now in range(milliseconds):
        for channel in range(channels):
            moved = decay * membrane[channel] + (1 - decay) * levels[now, channel]
            noise = draws[now, channel] * 2 - 1
            fires = rest[channel] <= 0 and moved > threshold * (1 + threshold_noise * noise)
            membrane[channel] = 0.0 if fires or rest[channel] > 0 else moved
            rest[channel] = refractory if fires else rest[channel] - 1
            spikes[now, channel] = fires
    return spikes
