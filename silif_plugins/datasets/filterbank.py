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

_TRANSFORM = 512
_LOWEST = 20.0
_PREEMPHASIS = 0.97
_POVEY = 0.85
_FLOOR = torch.finfo(torch.float32).eps


def log_mel(waveform: Tensor, *, bands: int = 40) -> Tensor:
    """Compute log-mel energies.

    Each frame loses its mean, is preemphasised (x[n] - 0.97 x[n-1]), and weighted by a Hann window to the power
    0.85. Frames that would reach beyond the end are left out; a clip shorter than a frame is filled up with zeros.

    Args:
        waveform: Samples at 16 kHz, from -1 to 1, [..., samples].
        bands: Number of mel bands, spread over 20 Hz to 8 kHz.

    Returns:
        Natural logarithms of band energies, [..., frames, bands], ``frames = 1 + (samples - 400) // 160``. Silence
        is ln(2^-23) = -15.94, not 0.

    Raises:
        ValueError: If there is no sample, the samples are not floats, or ``bands`` is not 1 to 128.

    Examples:
        >>> log_mel(torch.randn(16_000) / 10).shape
        torch.Size([98, 40])
    """
    if waveform.dim() < 1 or not waveform.shape[-1] or not waveform.is_floating_point():
        raise ValueError(
            f"waveform: got {waveform.dtype} of shape {tuple(waveform.shape)}; it must be floats, [..., samples]"
        )
    if not 1 <= bands <= 128:
        raise ValueError(f"bands: got {bands}; it must be 1 to 128")
    if waveform.shape[-1] < FRAME:
        waveform = torch.nn.functional.pad(waveform, (0, FRAME - waveform.shape[-1]))
    frames = waveform.unfold(-1, FRAME, HOP)
    frames = frames - frames.mean(dim=-1, keepdim=True)
    before = torch.cat([frames[..., :1], frames[..., :-1]], dim=-1)
    window = torch.hann_window(FRAME, periodic=False, dtype=waveform.dtype, device=waveform.device) ** _POVEY
    frames = (frames - _PREEMPHASIS * before) * window
    power = torch.fft.rfft(frames, n=_TRANSFORM).abs() ** 2
    weights = mel_triangles(bands).to(power)
    return (power[..., : _TRANSFORM // 2] @ weights.T).clamp_min(_FLOOR).log()


@functools.cache
def mel_triangles(bands: int) -> Tensor:
    """Weights of the bands over the bins of the spectrum (31.25 Hz each), float32 [bands, 256].

    A band rises from the centre of the one below to its own and falls to that of the one above, linearly in mel.

    Examples:
        >>> mel_triangles(40).shape
        torch.Size([40, 256])
    """
    lowest, highest = _mel(_LOWEST), _mel(RATE / 2)
    centres = lowest + (highest - lowest) / (bands + 1) * torch.arange(bands + 2, dtype=torch.float64)
    bins = torch.arange(_TRANSFORM // 2, dtype=torch.float64) * RATE / _TRANSFORM
    mel = 1127 * torch.log1p(bins / 700)
    left, centre, right = (centres[start : start + bands, None] for start in range(3))
    rising, falling = (mel - left) / (centre - left), (right - mel) / (right - centre)
    return torch.minimum(rising, falling).clamp_min(0).float()


def _mel(frequency: float) -> float:
    return 1127 * math.log1p(frequency / 700)
