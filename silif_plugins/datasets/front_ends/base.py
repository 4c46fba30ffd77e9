"""What a front end is: from the samples of a sound to what a network reads."""

from __future__ import annotations

import abc
import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...memory import excess
from ...optional import require
from ..errors import DataError

Sound = NDArray[np.floating[Any]]
"""Samples of one channel, [samples]."""

RATES = (1000, 1_000_000)
"""Samples a second that a sound may have, from and to."""

_FINEST = 0.001  # s: no speech changes faster


@dataclass(frozen=True, kw_only=True)
class FrontEnd(abc.ABC):
    """From the samples of a sound to what a network reads, the same for the same sound, always.

    A further kind is a dataclass whose fields are numbers, text or booleans, with `num_channels`, `steps` and `frames`;
    `register_front_end` gives it its name.

    Attributes:
        rate: Samples a second that it works with; sounds of another rate are resampled.
        step: Duration of a time step in seconds.
        max_time: Length in seconds to which longer sounds are cut.
        fill: Whether shorter sounds are filled up to ``max_time``; otherwise they have fewer steps.

    Raises:
        ValueError: If a setting is out of its range.
    """

    name: ClassVar[str]
    """What it is called in settings."""

    rate: int = 16_000
    step: float = 0.01
    max_time: float = 1.0
    fill: bool = True

    def __post_init__(self) -> None:
        for entry in dataclasses.fields(self):
            value, default = getattr(self, entry.name), entry.default
            kinds = (int, float) if isinstance(default, float) else (type(default),)
            # True is an integer for Python, for nobody else.
            self._expect(
                isinstance(value, kinds) and isinstance(value, bool) == isinstance(default, bool),
                entry.name,
                {bool: "true or false", int: "an integer", float: "a number", str: "text"}[type(default)],
            )
        self._expect(RATES[0] <= self.rate <= RATES[1], "rate", f"{RATES[0]} to {RATES[1]} samples a second")
        self._expect(_FINEST <= self.step < math.inf, "step", f"at least {_FINEST} s")
        self._expect(self.step <= self.max_time < math.inf, "max_time", f"finite, and at least a step, {self.step:g} s")
        if problem := excess(4 * self.steps * self.num_channels):
            raise ValueError(f"max_time: got {self.max_time} s; its {self.steps} steps {problem}")

    def _expect(self, fine: bool, name: str, allowed: str) -> None:
        if not fine:
            raise ValueError(f"{name}: got {getattr(self, name)!r}; of the front end {self.name} it must be {allowed}")

    @property
    @abc.abstractmethod
    def num_channels(self) -> int:
        """Number of channels that the network reads."""

    @property
    def steps(self) -> int:
        """Number of time steps of a sound of ``max_time``."""
        return max(1, round(self.max_time / self.step))

    @abc.abstractmethod
    def frames(self, sounds: Sequence[Sound]) -> list[NDArray[Any]]:
        """Return what the network reads of sounds that are prepared: counts or float32, [steps, channels] each."""

    def __call__(self, sound: ArrayLike, rate: int) -> NDArray[Any]:
        """Hear a sound.

        Args:
            sound: Samples of one channel, floats of any scale that is the same for all sounds (usually -1 to 1),
                [samples].
            rate: Samples a second.

        Returns:
            Counts of events (an unsigned type) or features (float32), [steps, channels].

        Raises:
            DataError: If there are no samples, they are not finite floats of one channel, or the rate is none. It is a
                ValueError.
            ModuleNotFoundError: If the sound must be resampled and scipy is not installed.
        """
        return self.frames([self.prepare(sound, rate)])[0]

    def prepare(self, sound: ArrayLike, rate: int) -> Sound:
        """Check a sound, resample it to the front end's rate, and cut it to ``max_time``.

        Raises:
            DataError: As said of `__call__`.
        """
        samples = np.asarray(sound)
        if samples.ndim != 1 or not np.issubdtype(samples.dtype, np.floating) or not samples.size:
            got = f"got {samples.dtype} of shape {samples.shape}"
            raise DataError("sound", f"{got}, but it must be floats of one channel, [samples], at least one")
        if not RATES[0] <= rate <= RATES[1]:
            raise DataError("rate", f"got {rate} samples a second, but it must be {RATES[0]} to {RATES[1]}")
        # What is beyond the cut matters only to the filter of the resampling, which reaches 20 samples far.
        samples = samples[: math.ceil(self.max_time * rate) + 64 * (rate // self.rate + 1)]
        if not np.isfinite(samples).all():
            raise DataError("sound", f"sample {int(np.isfinite(samples).argmin())} is not finite")
        return resampled(samples, rate, self.rate)[: max(1, round(self.max_time * self.rate))]

    def settings(self) -> dict[str, Any]:
        """Return its name and all settings: ``front_end(**settings)`` makes the same one again, also from JSON."""
        return {"name": self.name, **dataclasses.asdict(self)}


FRONT_ENDS: dict[str, type[FrontEnd]] = {}
"""All front ends by their names, in the order in which they were registered."""


def resampled(sound: Sound, rate: int, wanted: int) -> Sound:
    """Return a sound at another rate, by scipy's polyphase filter.

    Raises:
        ModuleNotFoundError: If scipy is not installed.
    """
    if rate == wanted:
        return sound
    signal = require(
        "scipy.signal", extra="audio", purpose=f"Resampling sound from {rate} to {wanted} samples a second"
    )
    common = gcd(rate, wanted)
    changed = signal.resample_poly(sound, wanted // common, rate // common)
    return np.asarray(changed, sound.dtype)
