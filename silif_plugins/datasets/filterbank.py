"""Log-mel features of speech, with the conventions of Kaldi's ``compute-fbank-feats``, in plain PyTorch.

They are what the keyword networks of SpArch, Hammouamri et al. and the SiLIF paper are fed with: frames of 25 ms
every 10 ms, triangles on the mel scale 1127 ln(1 + f / 700), natural logarithm.
"""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor

RATE = 16_000
"""Samples a second."""

FRAME = 400
"""Samples in a frame, 25 ms. Shorter clips are filled up to it."""

HOP = 160
"""Samples from one frame to the next, 10 ms."""

_PREEMPHASIS = 0.97
_POVEY = 0.85
_FLOOR = torch.finfo(torch.float32).eps


def log_mel(
    waveform: Tensor,
    *,
    bands: int = 40,
    rate: int = RATE,
    hop: int = HOP,
    lowest: float = 20.0,
    highest: float | None = None,
) -> Tensor:
    """Compute log-mel energies.

    Each frame of 25 ms loses its mean, is preemphasised (x[n] - 0.97 x[n-1]), and weighted by a Hann window to the
    power 0.85. Frames that would reach beyond the end are left out; a clip shorter than a frame is filled up with
    zeros.

    Args:
        waveform: Samples, from -1 to 1, [..., samples].
        bands: Number of mel bands.
        rate: Samples a second.
        hop: Samples from one frame to the next.
        lowest: Where the bands begin, in Hz.
        highest: Where they end, in Hz; by default at half of the rate.

    Returns:
        Natural logarithms of band energies, [..., frames, bands], ``frames = 1 + (samples - frame) // hop``. Silence
        is ln(2^-23) = -15.94, not 0.

    Raises:
        ValueError: If there is no sample, the samples are not floats, or another argument is out of its range.

    Examples:
        >>> log_mel(torch.randn(16_000) / 10).shape
        torch.Size([98, 40])
    """
    if waveform.dim() < 1 or not waveform.shape[-1] or not waveform.is_floating_point():
        raise ValueError(
            f"waveform: got {waveform.dtype} of shape {tuple(waveform.shape)}; it must be floats, [..., samples]"
        )
    check_bands(bands, rate, lowest, highest)
    if hop < 1:
        raise ValueError(f"hop: got {hop} samples; it must be at least 1")
    frame, transform = frame_of(rate), _transform(rate)
    if waveform.shape[-1] < frame:
        waveform = torch.nn.functional.pad(waveform, (0, frame - waveform.shape[-1]))
    frames = waveform.unfold(-1, frame, hop)
    frames = frames - frames.mean(dim=-1, keepdim=True)
    before = torch.cat([frames[..., :1], frames[..., :-1]], dim=-1)
    window = torch.hann_window(frame, periodic=False, dtype=waveform.dtype, device=waveform.device) ** _POVEY
    frames = (frames - _PREEMPHASIS * before) * window
    power = torch.fft.rfft(frames, n=transform).abs() ** 2
    weights = mel_triangles(bands, rate, lowest, highest).to(power)
    return (power[..., : transform // 2] @ weights.T).clamp_min(_FLOOR).log()


def frame_of(rate: int) -> int:
    """Return the samples of a frame of 25 ms."""
    return round(FRAME / RATE * rate)


def number_of_frames(samples: int, rate: int, hop: int) -> int:
    """Return how many frames a clip has."""
    return 1 + max(0, samples - frame_of(rate)) // hop


def check_bands(bands: int, rate: int, lowest: float, highest: float | None) -> None:
    """Raise ValueError unless there can be such bands."""
    if not 1 <= bands <= 128:
        raise ValueError(f"bands: got {bands}; it must be 1 to 128")
    if not 1000 <= rate <= 1_000_000:
        raise ValueError(f"rate: got {rate}; it must be 1000 to 1000000 samples a second")
    if not 0 <= lowest < rate / 2:
        raise ValueError(f"lowest: got {lowest}; it must be from 0 to below half of the rate, {rate / 2:g} Hz")
    if highest is not None and not lowest < highest <= rate / 2:
        raise ValueError(
            f"highest: got {highest}; it must be above lowest, and at most half of the rate, {rate / 2:g} Hz"
        )


@functools.cache
def mel_triangles(bands: int, rate: int = RATE, lowest: float = 20.0, highest: float | None = None) -> Tensor:
    """Weights of the bands over the bins of the spectrum (31.25 Hz each at 16 kHz), float32 [bands, bins].

    A band rises from the centre of the one below to its own and falls to that of the one above, linearly in mel.

    Examples:
        >>> mel_triangles(40).shape
        torch.Size([40, 256])
    """
    low, high = _mel(lowest), _mel(highest or rate / 2)
    centres = low + (high - low) / (bands + 1) * torch.arange(bands + 2, dtype=torch.float64)
    transform = _transform(rate)
    bins = torch.arange(transform // 2, dtype=torch.float64) * rate / transform
    mel = 1127 * torch.log1p(bins / 700)
    left, centre, right = (centres[start : start + bands, None] for start in range(3))
    rising, falling = (mel - left) / (centre - left), (right - mel) / (right - centre)
    return torch.minimum(rising, falling).clamp_min(0).float()


def _transform(rate: int) -> int:
    return 1 << (frame_of(rate) - 1).bit_length()


def _mel(frequency: float) -> float:
    return 1127 * math.log1p(frequency / 700)
