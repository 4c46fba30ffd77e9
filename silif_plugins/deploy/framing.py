"""Frames of sound: how many samples, their window, and which bins of a spectrum go to which band."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from ..datasets import LogMel, frame_of, mel_triangles


class Framing(NamedTuple):
    """What a log-mel front end makes frames of.

    Attributes:
        frame: Samples of a frame.
        hop: Samples from one frame to the next.
        size: Samples of its Fourier transform, a power of two.
        bands: Number of bands.
        window: float64 [frame].
        triangles: What of which bin goes to which band: bin, band, weight; in the order in which they are summed.
    """

    frame: int
    hop: int
    size: int
    bands: int
    window: NDArray[np.float64]
    triangles: list[tuple[int, int, float]]

    @classmethod
    def of(cls, front_end: LogMel) -> Framing:
        """Return that of a front end."""
        frame = frame_of(front_end.rate)
        window = torch.hann_window(frame, periodic=False, dtype=torch.float64) ** 0.85
        weights = mel_triangles(front_end.bands, front_end.rate, front_end.lowest, front_end.highest or None).numpy()
        places = zip(*weights.T.nonzero(), strict=True)
        triangles = [(int(place), int(band), float(weights[band, place])) for place, band in places]
        hop = max(1, round(front_end.step * front_end.rate))
        return cls(frame, hop, 1 << (frame - 1).bit_length(), front_end.bands, window.numpy(), triangles)

    @property
    def starts(self) -> list[int]:
        """Where the triangles of each bin begin, and where the last one's end."""
        places = [place for place, _, _ in self.triangles]
        return [int(each) for each in np.searchsorted(places, np.arange(self.size // 2 + 1))]


def reversed_bits(size: int) -> NDArray[np.int64]:
    """Return the order in which a transform of radix 2 takes its inputs.

    Examples:
        >>> reversed_bits(8).tolist()
        [0, 4, 2, 6, 1, 5, 3, 7]
    """
    order = np.zeros(1, np.int64)
    while len(order) < size:
        order = np.concatenate([2 * order, 2 * order + 1])
    return order


def c_table(declaration: str, values: Iterable[object]) -> str:
    """Write a constant table.

    Examples:
        >>> print(c_table("int16_t odd", [1, 3]))
        static const int16_t odd[2] = {
            1, 3
        };
    """
    words = [str(value) for value in values]
    lines = ",\n".join("    " + ", ".join(words[i : i + 8]) for i in range(0, len(words), 8))
    return f"static const {declaration}[{len(words)}] = {{\n{lines}\n}};"
