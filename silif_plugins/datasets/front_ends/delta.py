"""Changes of log-mel energies as events, as Speech2Spikes has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from .base import Sound
from .log_mel_energies import LogMel
from .register import register_front_end


@register_front_end
@dataclass(frozen=True, kw_only=True)
class Delta(LogMel):
    """Events where log-mel energies rise or fall by a threshold.

    Every band has a follower r that starts at the energy of the first frame, x[0]. In every step t > 0

        up[t] = 1 and r += threshold,    if x[t] - r >= threshold,
        down[t] = 1 and r -= threshold,  if r - x[t] >= threshold,

    at most one event a step and band: what is left is made up for in the steps that follow. Source: Stewart, Shea,
    Pacik-Nelson, Gallo and Danielescu (2023), "Speech2Spikes: Efficient Audio Encoding Pipeline for Real-time
    Neuromorphic Systems", NICE 2023, doi 10.1145/3584954.3584995; written after its description, with the paper's
    channels of their own for rising and falling.

    Attributes:
        threshold: Change that makes an event, in nepers of energy; 1 is 4.3 dB.
        floor: Energies below it, in the same unit, count as it, so that faint noise makes no events. Those of a full
            scale of 1 are meant; log-mel's own floor is -15.94.

    Raises:
        ValueError: If a setting is out of its range.

    Examples:
        >>> hear = Delta(bands=20)
        >>> hear.num_channels, hear(np.random.default_rng(0).normal(size=8000), 16_000).dtype
        (40, dtype('uint8'))
    """

    name: ClassVar[str] = "delta"

    threshold: float = 1.0
    floor: float = -10.0
    fill: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self._expect(0 < self.threshold < np.inf, "threshold", "positive and finite")
        self._expect(bool(np.isfinite(self.floor)), "floor", "finite")

    @property
    def num_channels(self) -> int:
        """Twice the bands: those that rise come first."""
        return 2 * self.bands

    def frames(self, sounds: Sequence[Sound]) -> list[NDArray[Any]]:
        """Return the events of every sound, 0 or 1, uint8 [steps, 2 bands]."""
        return [self.events(energies) for energies in super().frames(sounds)]

    def events(self, energies: NDArray[np.floating[Any]]) -> NDArray[np.uint8]:
        """Return the events of energies [steps, bands]: rising bands, then falling ones, [steps, 2 bands]."""
        loud = np.maximum(energies.astype(np.float64), self.floor)
        follower = loud[0].copy()
        events = np.zeros((len(loud), 2, self.bands), np.uint8)
        for now, (up, down) in zip(loud, events, strict=True):
            change = now - follower
            np.greater_equal(change, self.threshold, out=up, casting="unsafe")
            np.less_equal(change, -self.threshold, out=down, casting="unsafe")
            follower += self.threshold * (up.astype(np.float64) - down)
        return events.reshape(len(loud), -1)
