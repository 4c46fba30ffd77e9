"""Log-mel energies as a front end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from ..filterbank import check_bands, frame_of, log_mel, number_of_frames
from .base import FrontEnd, Sound
from .register import register_front_end


@register_front_end
@dataclass(frozen=True, kw_only=True)
class LogMel(FrontEnd):
    """Logarithms of the energies in bands of equal width on the mel scale, see `log_mel`.

    Frames of 25 ms; shorter sounds have fewer steps unless ``fill`` adds silence. The energies are not normalised:
    batch norm in the network does that.

    Attributes:
        bands: Number of mel bands.
        lowest: Where they begin, in Hz.
        highest: Where they end, in Hz; 0 is half of the rate.

    Raises:
        ValueError: If a setting is out of its range.

    Examples:
        >>> hear = LogMel(rate=8000, max_time=0.5)
        >>> hear(np.random.default_rng(0).normal(size=8000), 8000).shape
        (48, 40)
    """

    name: ClassVar[str] = "log-mel"

    bands: int = 40
    lowest: float = 20.0
    highest: float = 0.0
    fill: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        frame = frame_of(self.rate) / self.rate
        self._expect(self.max_time >= frame, "max_time", f"at least {frame:g} s, one frame")
        check_bands(self.bands, self.rate, self.lowest, self._highest)

    @property
    def _highest(self) -> float | None:
        return self.highest or None

    @property
    def _hop(self) -> int:
        return max(1, round(self.step * self.rate))

    @property
    def num_channels(self) -> int:
        """Number of bands."""
        return self.bands

    @property
    def steps(self) -> int:
        """Number of time steps of a sound of ``max_time``: frames that would reach beyond it are left out."""
        return number_of_frames(round(self.max_time * self.rate), self.rate, self._hop)

    def frames(self, sounds: Sequence[Sound]) -> list[NDArray[Any]]:
        """Return the energies of every sound, float32 [steps, bands]."""
        found: list[NDArray[Any]] = [np.zeros(0)] * len(sounds)
        whole = round(self.max_time * self.rate)
        if self.fill:
            sounds = [np.pad(sound, (0, whole - len(sound))) for sound in sounds]
        # Sounds of one length are transformed together; in most folders nearly all have the same.
        for size in dict.fromkeys(map(len, sounds)):
            places = [place for place, sound in enumerate(sounds) if len(sound) == size]
            together = torch.from_numpy(np.stack([sounds[place] for place in places]).astype(np.float32))
            energies = log_mel(
                together,
                bands=self.bands,
                rate=self.rate,
                hop=self._hop,
                lowest=self.lowest,
                highest=self._highest,
            )
            for place, each in zip(places, energies.numpy(), strict=True):
                found[place] = each
        return found
