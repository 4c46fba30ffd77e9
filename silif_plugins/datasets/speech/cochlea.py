"""A model cochlea: from sound to spikes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .synthesiser import SAMPLE_RATE

_WINDOW = round(0.025 * SAMPLE_RATE)
_FFT = 1024
_LAST_LEVEL = 255  # levels count from 0


@dataclass(frozen=True)
class Cochlea:
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

    Attributes:
        channels: Number of channels, low to high frequency. The bandwidth does not depend on it.
        lowest: Centre of the lowest band in Hz.
        highest: Centre of the highest band in Hz.
        dynamic_range: Decibels below the loudest band-millisecond of the recording that have level 0.
        emphasis: Decibels an octave by which high frequencies are raised, against the fall of the voice's spectrum.
        time_constant: Of the neurons' leak, in seconds.
        threshold: Level that makes a neuron fire in the long run.
        threshold_noise: Largest relative change of the threshold, uniform.
        refractory: Milliseconds of rest after a spike.

    Examples:
        >>> import numpy as np
        >>> tone = np.sin(2 * np.pi * 440 * np.arange(11025) / 22050)
        >>> milliseconds, units = Cochlea(channels=140)(tone, seed=0)
        >>> bool((abs(Cochlea().centres()[units] - 440) < 100).all())
        True
    """

    channels: int = 140
    lowest: float = 60.0
    highest: float = 8000.0
    dynamic_range: float = 45.0
    emphasis: float = 3.0
    time_constant: float = 0.008
    threshold: float = 0.5
    threshold_noise: float = 0.05
    refractory: int = 2

    def __post_init__(self) -> None:
        if self.channels < 1:
            raise ValueError(f"channels: got {self.channels}, but it must be at least 1")

    def __call__(self, sound: NDArray[np.floating], *, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Hear a sound.

        Args:
            sound: Samples at 22 050 Hz, [samples]; the scale does not matter.
            seed: Seed of the threshold noise.

        Returns:
            Millisecond, [events], ascending, and channel, [events], of every spike.
        """
        return self.encode(self.levels(sound), seed=seed)

    def centres(self) -> NDArray[np.float64]:
        """Centre frequencies of the channels in Hz, [channels]."""
        low, high = _mel(np.array([self.lowest, self.highest]))
        return _hertz(np.linspace(low, high, self.channels))

    def bands(self) -> NDArray[np.float64]:
        """Weights of the Fourier bins in every channel, [bins, channels]."""
        centres = self.centres()
        # As wide as the distance of 140 channels, but never narrower than what a 25 ms window can tell apart.
        width = np.maximum(_hertz(_mel(centres) + 20) - centres, 40.0)
        frequencies = np.arange(_FFT // 2 + 1) * SAMPLE_RATE / _FFT
        weights = np.maximum(0, 1 - abs(frequencies[:, None] - centres) / width)
        raised = 10 ** (self.emphasis * np.log2(centres / self.lowest) / 10)
        return weights / weights.sum(0) * raised

    def levels(self, sound: NDArray[np.floating]) -> NDArray[np.float64]:
        """Compressed power in every channel: multiples of 1/255 from 0 to 1, [milliseconds, channels]."""
        padded = np.pad(np.asarray(sound, np.float64), (_WINDOW // 2, _WINDOW))
        milliseconds = len(sound) * 1000 // SAMPLE_RATE
        first = np.arange(milliseconds) * SAMPLE_RATE // 1000
        window = np.hanning(_WINDOW + 2)[1:-1]
        frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[first] * window
        power = np.abs(np.fft.rfft(frames, _FFT, axis=1)) ** 2 @ self.bands()
        loudest = power.max(initial=0)
        if loudest == 0:
            return np.zeros_like(power)
        decibels = 10 * np.log10(np.maximum(power / loudest, 1e-30))
        return np.rint(np.clip(1 + decibels / self.dynamic_range, 0, 1) * _LAST_LEVEL) / _LAST_LEVEL

    def encode(self, levels: NDArray[np.float64], *, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Turn levels into spikes: millisecond and channel of every spike, both [events]."""
        noise = np.random.default_rng(seed).random(levels.shape) * 2 - 1
        thresholds = self.threshold * (1 + self.threshold_noise * noise)
        # Rounded, it is the same number whatever this computer's exp.
        decay = round(float(np.exp(-0.001 / self.time_constant)), 9)
        drive = (1 - decay) * levels
        membrane = np.zeros(self.channels)
        rest = np.zeros(self.channels, np.int64)
        spikes = np.zeros(levels.shape, bool)
        for millisecond in range(len(levels)):
            membrane = decay * membrane + drive[millisecond]
            membrane[rest > 0] = 0
            fired = membrane > thresholds[millisecond]
            spikes[millisecond] = fired
            membrane[fired] = 0
            rest = np.where(fired, self.refractory, rest - 1)
        milliseconds, units = np.nonzero(spikes)
        return milliseconds, units


def _mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1127 * np.log1p(hertz / 700)


def _hertz(mel: NDArray[np.float64]) -> NDArray[np.float64]:
    return 700 * np.expm1(mel / 1127)
