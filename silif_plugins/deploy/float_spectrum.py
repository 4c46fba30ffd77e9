"""Energies of mel bands in float32, every operation rounded by itself, in Python and in C."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from .framing import Framing, c_table, reversed_bits
from .logarithm import Integers, log2, logarithm_source

Floats = NDArray[np.float32]

PREEMPHASIS = np.float32(0.97)
FULL_SCALE = np.float32(2.0**-15)
"""A sample of 16 bits as a part of 1."""
FLOOR = np.float32(2.0**-23)
"""The least energy, as in `silif_plugins.datasets.log_mel`."""


class FloatSpectrum:
    """Logarithms of the energies of bands from frames of samples, by a transform of radix 2 in float32.

    Bands are summed from low to high frequencies, and the logarithm is taken from the bits of the energy. It is for
    chips that have floating point; see `IntegerSpectrum` for others.

    Args:
        framing: Frames, window and bands.

    Examples:
        >>> from silif_plugins.datasets import front_end
        >>> spectrum = FloatSpectrum(Framing.of(front_end("log-mel", rate=8000)))
        >>> tone = np.sin(np.arange(200) * 0.5)[None] * 9000
        >>> spectrum.logarithms(tone.astype(np.int16)).shape
        (1, 40)
    """

    def __init__(self, framing: Framing) -> None:
        self.framing = framing
        self.window: Floats = framing.window.astype(np.float32)
        angles = -2 * np.pi * np.arange(framing.size // 2) / framing.size
        self.cosine, self.sine = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)

    def logarithms(self, frames: NDArray[np.int16]) -> Integers:
        """Return logarithms to base 2 of the energies, [frames, bands], from samples [frames, samples]."""
        bits = self.energies(frames).view(np.uint32).astype(np.int64)
        return log2(bits & ((1 << 23) - 1), (bits >> 23) - 127)

    def energies(self, frames: NDArray[np.int16]) -> Floats:
        """Return the energies of the bands, float32 [frames, bands]."""
        mean = frames.sum(axis=1, dtype=np.int64).astype(np.float32) / np.float32(self.framing.frame)
        centred = (frames.astype(np.float32) - mean[:, None]) * FULL_SCALE
        before = np.concatenate([centred[:, :1], centred[:, :-1]], axis=1)
        windowed = (centred - PREEMPHASIS * before) * self.window
        real, imaginary = self.transform(windowed)
        power = real * real + imaginary * imaginary
        energies = np.zeros((len(frames), self.framing.bands), np.float32)
        for place, band, weight in self.framing.triangles:
            energies[:, band] += np.float32(weight) * power[:, place]
        return np.maximum(energies, FLOOR)

    def transform(self, frames: Floats) -> tuple[Floats, Floats]:
        """Return the discrete Fourier transform of frames that are filled up to ``framing.size``."""
        size = self.framing.size
        filled = np.zeros((len(frames), size), np.float32)
        filled[:, : self.framing.frame] = frames
        real, imaginary = filled[:, reversed_bits(size)], np.zeros_like(filled)
        half = 1
        while half < size:
            stride = size // (2 * half)
            c, s = self.cosine[::stride], self.sine[::stride]
            a, b = (part.reshape(len(frames), -1, 2, half) for part in (real, imaginary))
            top, side = a[:, :, 1] * c - b[:, :, 1] * s, a[:, :, 1] * s + b[:, :, 1] * c
            real = np.stack([a[:, :, 0] + top, a[:, :, 0] - top], axis=2).reshape(len(frames), -1)
            imaginary = np.stack([b[:, :, 0] + side, b[:, :, 0] - side], axis=2).reshape(len(frames), -1)
            half *= 2
        return real, imaginary

    @property
    def fields(self) -> str:
        """What the state in C has for it."""
        return f"float real[{self.framing.size}], imaginary[{self.framing.size}];"

    def source(self, name: str) -> str:
        """Write ``hear``, which does in C what `logarithms` does."""
        framing = self.framing
        size, frame, stages = framing.size, framing.frame, framing.size.bit_length() - 1
        triangles = ",\n".join(f"    {{{band}, {_hex(weight)}}}" for _, band, weight in framing.triangles)
        return f"""\
{c_table("float window", map(_hex, self.window))}
{c_table("float cosine", map(_hex, self.cosine))}
{c_table("float sine", map(_hex, self.sine))}

/* Shares of the bins in bands, and where those of each bin begin. */
static const struct {{
    uint8_t band;
    float weight;
}} triangles[{len(framing.triangles)}] = {{
{triangles}
}};
{c_table("uint16_t starts", framing.starts)}

{logarithm_source()}
static void transform(float *real, float *imaginary)
{{
    for (unsigned half = 1; half < {size}; half *= 2) {{
        const unsigned stride = {size} / (2 * half);
        for (unsigned block = 0; block < {size}; block += 2 * half)
            for (unsigned k = 0; k < half; k++) {{
                const unsigned low = block + k, high = low + half;
                const float c = cosine[k * stride], s = sine[k * stride];
                const float top = real[high] * c - imaginary[high] * s;
                const float side = real[high] * s + imaginary[high] * c;
                real[high] = real[low] - top;
                real[low] = real[low] + top;
                imaginary[high] = imaginary[low] - side;
                imaginary[low] = imaginary[low] + side;
            }}
    }}
}}

/* Logarithms to base 2 of the energies of a frame. */
static void hear({name}_listener *listener, int32_t *heard)
{{
    int32_t sum = 0;
    for (unsigned i = 0; i < {frame}; i++)
        sum += listener->samples[i];
    const float mean = (float)sum / {_hex(frame)};
    float *real = listener->real, *imaginary = listener->imaginary, before = 0;
    for (unsigned i = 0; i < {size}; i++) {{
        unsigned to = 0;
        for (unsigned bit = 0; bit < {stages}; bit++)
            to |= (i >> bit & 1) << ({stages - 1} - bit);
        real[to] = imaginary[to] = 0;
        if (i < {frame}) {{
            const float centred = ((float)listener->samples[i] - mean) * {_hex(FULL_SCALE)};
            before = i ? before : centred;
            real[to] = (centred - {_hex(PREEMPHASIS)} * before) * window[i];
            before = centred;
        }}
    }}
    transform(real, imaginary);
    float energies[{framing.bands}] = {{0}};
    for (unsigned bin = 0; bin < {size // 2}; bin++) {{
        const float power = real[bin] * real[bin] + imaginary[bin] * imaginary[bin];
        for (unsigned i = starts[bin]; i < starts[bin + 1]; i++)
            energies[triangles[i].band] += triangles[i].weight * power;
    }}
    for (unsigned band = 0; band < {framing.bands}; band++) {{
        const union {{
            float number;
            uint32_t bits;
        }} energy = {{energies[band] > {_hex(FLOOR)} ? energies[band] : {_hex(FLOOR)}}};
        heard[band] = logarithm(energy.bits & 0x7fffff, (int32_t)(energy.bits >> 23) - 127);
    }}
}}
"""


def _hex(value: float | np.float32) -> str:
    return f"{float(np.float32(value)).hex()}f"
