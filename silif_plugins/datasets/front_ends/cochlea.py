"""A model cochlea: from sound to spikes."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ..binning import Grid, count
from ..events import Recordings
from .base import FrontEnd, Sound
from .register import register_front_end

Events = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Millisecond, ascending, and channel of every spike, both [events]."""

_LAST_LEVEL = 255  # levels count from 0
_FRAMES_AT_ONCE = 128  # of the Fourier transform: the working set stays near the cache
_BLOCKS = 10  # matrices that sum the bands of neighbouring channels


@register_front_end
@dataclass(frozen=True, kw_only=True)
class Cochlea(FrontEnd):
    """Band-pass filters, compression, and one leaky integrate-and-fire neuron per channel.

    Every millisecond, a 25 ms Hann window is Fourier transformed and its power summed in triangular bands whose
    centres lie at equal distances on the mel scale; decibels above a floor become a level of 0 to 1; the level
    drives a neuron

        v[t] = decay * v[t-1] + (1 - decay) * level[t],   a spike where v > threshold, then v = 0,

    that rests for two milliseconds after a spike, and whose threshold fluctuates from step to step.

    Floating-point sums differ in their last digits between processors and FFT libraries. So levels are rounded
    to 256 values, and what follows is done in the same order everywhere: a spike can only move if a level lies
    within such a difference of a rounding boundary, which is rare but not impossible. Sound that itself differs,
    such as from another release of espeak-ng, moves many spikes.

    Called as a front end, it counts the spikes of each step and hears every sound with the same fluctuation of the
    thresholds, that of ``seed``.

    Attributes:
        channels: Number of channels, low to high frequency. The bandwidth does not depend on it.
        lowest: Centre of the lowest band in Hz.
        highest: Centre of the highest band in Hz; 0 is 8000, or half of the rate where that is less.
        dynamic_range: Decibels below the loudest band-millisecond of the recording that have level 0.
        emphasis: Decibels an octave by which high frequencies are raised, against the fall of the voice's spectrum.
        time_constant: Of the neurons' leak, in seconds.
        threshold: Level that makes a neuron fire in the long run.
        threshold_noise: Largest relative change of the threshold, uniform; 0 for none.
        refractory: Milliseconds of rest after a spike.
        pool: Number of neighbouring channels whose spikes are counted together.
        seed: Of the threshold noise.

    Raises:
        ValueError: If a setting is out of its range.

    Examples:
        >>> tone = np.sin(2 * np.pi * 440 * np.arange(11025) / 22050)
        >>> milliseconds, units = Cochlea(channels=140).events(tone)
        >>> bool((abs(Cochlea().centres()[units] - 440) < 100).all())
        True
        >>> Cochlea(rate=8000, step=0.004)(tone, 22050).shape
        (250, 140)
    """

    name: ClassVar[str] = "cochlea"

    channels: int = 140
    rate: int = 22_050
    lowest: float = 60.0
    highest: float = 0.0
    dynamic_range: float = 45.0
    emphasis: float = 3.0
    time_constant: float = 0.008
    threshold: float = 0.5
    threshold_noise: float = 0.05
    refractory: int = 2
    pool: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        self._expect(self.channels >= 1, "channels", "at least 1")
        self._expect(self.pool >= 1 and self.channels % self.pool == 0, "pool", "a divisor of channels")
        super().__post_init__()
        self._expect(0 < self.lowest < math.inf, "lowest", "positive and finite")
        self._expect(
            self.lowest <= self._top <= self.rate / 2,
            "highest",
            f"0, or from lowest, {self.lowest:g} Hz, to half of the rate, {self.rate / 2:g} Hz",
        )
        for name in ("dynamic_range", "time_constant", "threshold"):
            self._expect(0 < getattr(self, name) < math.inf, name, "positive and finite")
        self._expect(abs(self.emphasis) < math.inf, "emphasis", "finite")
        self._expect(0 <= self.threshold_noise < 1, "threshold_noise", "at least 0 and below 1")
        self._expect(0 <= self.refractory < 1 << 30, "refractory", "0 or more")
        self._expect(self.seed >= 0, "seed", "0 or more")

    @property
    def num_channels(self) -> int:
        """Number of channels after pooling."""
        return self.channels // self.pool

    def frames(self, sounds: Sequence[Sound]) -> list[NDArray[Any]]:
        """Return the counts of the spikes of every sound, [steps, channels / pool]."""
        heard = self.hear(sounds, [self.seed] * len(sounds))
        # In the middle of their milliseconds, as in the recordings that the package ships.
        times, units = [(milliseconds + 0.5) / 1000 for milliseconds, _ in heard], [units for _, units in heard]
        labels = np.zeros(len(heard), np.int64)
        recordings = Recordings(times, units, labels, classes=["?"], num_channels=self.channels)
        length = self.steps * self.step
        length = self.max_time if math.isclose(length, self.max_time) else length  # the same steps, to the last digit
        counts = count(recordings, Grid(self.steps, length, self.channels, self.pool))
        if self.fill:
            return list(counts)
        lengths = [max(1, min(self.steps, math.ceil(len(sound) / self.rate / self.step))) for sound in sounds]
        return [each[:length] for each, length in zip(counts, lengths, strict=True)]

    def events(self, sound: Sound, *, seed: int | None = None) -> Events:
        """Hear one sound.

        Args:
            sound: Samples at ``rate``, [samples]; the scale does not matter.
            seed: Of the threshold noise; by default the front end's.

        Returns:
            Millisecond, [events], ascending, and channel, [events], of every spike.
        """
        return self.hear([sound], [self.seed if seed is None else seed])[0]

    def hear(self, sounds: Sequence[ArrayLike], seeds: Sequence[int]) -> list[Events]:
        """Hear sounds at ``rate``, each with the threshold noise of its seed; many at once take less time for each."""
        return self.encode([self.levels(np.asarray(sound)) for sound in sounds], seeds)

    def centres(self) -> NDArray[np.float64]:
        """Centre frequencies of the channels in Hz, [channels]."""
        low, high = _mel(np.array([self.lowest, self._top]))
        return _hertz(np.linspace(low, high, self.channels))

    def bands(self) -> NDArray[np.float64]:
        """Weights of the Fourier bins in every channel, [bins, channels]."""
        centres = self.centres()
        # As wide as the distance of 140 channels, but never narrower than what a 25 ms window can tell apart.
        width = np.maximum(_hertz(_mel(centres) + 20) - centres, 40.0)
        frequencies = np.arange(self._transform // 2 + 1) * self.rate / self._transform
        weights = np.maximum(0, 1 - abs(frequencies[:, None] - centres) / width)
        raised = 10 ** (self.emphasis * np.log2(centres / self.lowest) / 10)
        return weights / weights.sum(0) * raised

    @property
    def _top(self) -> float:
        return self.highest or min(8000.0, self.rate / 2)

    @property
    def _window(self) -> int:
        return round(0.025 * self.rate)

    @property
    def _transform(self) -> int:
        return 1 << (self._window - 1).bit_length()

    @functools.cached_property
    def _blocks(self) -> list[tuple[slice, slice, NDArray[np.float64]]]:
        """The bands as small matrices: channels, the bins that they reach, and the weights of these."""
        weights, found = self.bands(), []
        size = math.ceil(self.channels / _BLOCKS)
        for first in range(0, self.channels, size):
            channels = slice(first, first + size)
            reached = np.flatnonzero(weights[:, channels].any(1))
            bins = slice(int(reached[0]), int(reached[-1]) + 1)
            found.append((channels, bins, np.ascontiguousarray(weights[bins, channels])))
        return found

    def levels(self, sound: NDArray[Any]) -> NDArray[np.float64]:
        """Compressed power in every channel: multiples of 1/255 from 0 to 1, [milliseconds, channels]."""
        padded = np.pad(np.asarray(sound, np.float64), (self._window // 2, self._window))
        milliseconds = len(sound) * 1000 // self.rate
        first = np.arange(milliseconds) * self.rate // 1000
        window = np.hanning(self._window + 2)[1:-1]
        slices = np.lib.stride_tricks.sliding_window_view(padded, self._window)
        power = np.empty((milliseconds, self.channels))
        frames = np.zeros((_FRAMES_AT_ONCE, self._transform))
        for start in range(0, milliseconds, _FRAMES_AT_ONCE):
            here = first[start : start + _FRAMES_AT_ONCE]
            np.multiply(slices[here], window, out=frames[: len(here), : self._window])
            # PyTorch's transform takes half of the time of NumPy's.
            spectrum = torch.fft.rfft(torch.from_numpy(frames[: len(here)])).numpy()
            spectrum = spectrum[:, : self._blocks[-1][1].stop]
            bins = spectrum.real**2
            bins += spectrum.imag**2
            for channels, reached, weights in self._blocks:
                np.matmul(bins[:, reached], weights, out=power[start : start + len(here), channels])
        loudest = power.max(initial=0)
        if loudest == 0:
            return np.zeros_like(power)
        for start in range(0, milliseconds, _FRAMES_AT_ONCE):
            level = power[start : start + _FRAMES_AT_ONCE]
            level /= loudest
            np.maximum(level, 1e-30, out=level)
            np.log10(level, out=level)
            level *= 10 / self.dynamic_range
            level += 1
            np.clip(level, 0, 1, out=level)
            level *= _LAST_LEVEL
            np.rint(level, out=level)
            level /= _LAST_LEVEL
        return power

    def encode(self, levels: Sequence[NDArray[np.float64]], seeds: Sequence[int]) -> list[Events]:
        """Turn the levels of sounds, [milliseconds, channels] each, into spikes."""
        from .firing import fired  # compiling needs numba

        # Rounded, it is the same number whatever this computer's exp.
        decay = round(float(np.exp(-0.001 / self.time_constant)), 9)
        found: list[Events] = []
        # Sounds of one seed have the same numbers, as far as each is long.
        longest: dict[int, int] = {}
        for level, seed in zip(levels, seeds, strict=True):
            longest[seed] = max(longest.get(seed, 0), len(level))
        drawn, draws = -1, np.zeros((0, self.channels))
        for level, seed in zip(levels, seeds, strict=True):
            if seed != drawn:
                drawn, draws = seed, np.random.default_rng(seed).random((longest[seed], self.channels))
            spikes = fired(level, draws, decay, self.threshold, self.threshold_noise, self.refractory)
            milliseconds, units = np.nonzero(spikes)
            found.append((milliseconds, units))
        return found


def _mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1127 * np.log1p(hertz / 700)


def _hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return 700 * np.expm1(mel / 1127)
