"""Log-mel energies in the arithmetic of a chip: what C makes of samples, bit for bit."""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ..datasets import LogMel, frame_of, mel_triangles
from .quantised import QuantisedNet

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

PREEMPHASIS = np.float32(0.97)
FULL_SCALE = np.float32(2.0**-15)
"""A sample of 16 bits as a part of 1."""
FLOOR = np.float32(2.0**-23)
"""The least energy, as in `silif_plugins.datasets.log_mel`."""
LOG_BITS = 16
"""Bits after the point of logarithms to base 2."""
TABLE_BITS = 6
LOG_TABLE = [round((1 << LOG_BITS) * math.log2(1 + i / (1 << TABLE_BITS))) for i in range((1 << TABLE_BITS) + 1)]
UNIT_BITS = 14
"""Bits after the point of what a logarithm is multiplied by to become a unit of the input."""


class Hearing:
    """A `LogMel` front end as a chip has it, for the inputs of a quantised network.

    Samples are 16 bits at the front end's rate. A frame's Fourier transform is of radix 2 in float32, every operation
    rounded by itself; bands are summed from low to high frequencies; the logarithm is taken from the bits of the energy
    and a table of 65 values, and rounded to units of the network's input: integers from there on. Energies are those of
    `silif_plugins.datasets.log_mel` to 1e-4 before they are rounded.

    Args:
        front_end: What the network was trained with.
        net: What `quantise` made of it, with features as calibration.

    Raises:
        ValueError: If the network does not read the front end's bands, or steps are longer than frames.

    Examples:
        >>> from silif_plugins.datasets import front_end
        >>> from silif_plugins.deploy import quantise
        >>> from silif_plugins.sparch import SpArchNet
        >>> hear = front_end("log-mel", rate=8000)
        >>> samples = np.random.default_rng(0).normal(0, 3000, 4000).astype(np.int16)
        >>> energies = hear(samples / 32768, 8000)
        >>> small = quantise(SpArchNet(40, (16,), 3).eval(), calibration=torch.from_numpy(energies)[None])
        >>> units = Hearing(hear, small).units(samples)
        >>> units.shape, bool(abs(units * small.input_step - energies).max() < 0.51 * small.input_step)
        ((48, 40), True)
    """

    def __init__(self, front_end: LogMel, net: QuantisedNet) -> None:
        if type(front_end) is not LogMel or front_end.num_channels != net.num_inputs:
            raise ValueError(
                f"front_end: got {front_end.name} of {front_end.num_channels} channels; it must be log-mel of "
                f"{net.num_inputs}, as the network reads"
            )
        self.front_end, self.limit = front_end, net.input_limit
        self.frame = frame_of(front_end.rate)
        self.hop = max(1, round(front_end.step * front_end.rate))
        if self.hop > self.frame:
            raise ValueError(f"step: got {front_end.step} s; on a chip it must be at most a frame, 25 ms")
        self.size = 1 << (self.frame - 1).bit_length()
        self.multiplier = round(math.log(2) / net.input_step * (1 << UNIT_BITS))
        window = torch.hann_window(self.frame, periodic=False, dtype=torch.float64) ** 0.85
        self.window: Floats = window.float().numpy()
        angles = -2 * np.pi * np.arange(self.size // 2) / self.size
        self.cosine, self.sine = np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)

    @functools.cached_property
    def triangles(self) -> list[tuple[int, int, np.float32]]:
        """What of which bin goes to which band: bin, band, weight; in the order in which they are summed."""
        highest = self.front_end.highest or None
        weights = mel_triangles(self.front_end.bands, self.front_end.rate, self.front_end.lowest, highest).numpy()
        return [(int(place), int(band), weights[band, place]) for place, band in zip(*weights.T.nonzero(), strict=True)]

    def units(self, samples: ArrayLike) -> Integers:
        """Return what the network reads of samples, in its units: [frames, bands] from integers [samples].

        Raises:
            ValueError: If the samples are not integers of 16 bits.
        """
        given = np.asarray(samples)
        if given.ndim != 1 or given.dtype != np.int16:
            raise ValueError(f"samples: got {given.dtype} of shape {given.shape}; they must be int16, [samples]")
        if len(given) < self.frame:
            return np.zeros((0, self.front_end.bands), np.int64)
        frames = np.lib.stride_tricks.sliding_window_view(given, self.frame)[:: self.hop]
        logarithms = log2(self.energies(frames))
        rounded = (logarithms * self.multiplier + (1 << (LOG_BITS + UNIT_BITS - 1))) >> (LOG_BITS + UNIT_BITS)
        return np.clip(rounded, -self.limit, self.limit)

    def energies(self, frames: NDArray[np.int16]) -> Floats:
        """Return the energies of the bands, float32 [frames, bands], from frames of samples."""
        mean = frames.sum(axis=1, dtype=np.int64).astype(np.float32) / np.float32(self.frame)
        centred = (frames.astype(np.float32) - mean[:, None]) * FULL_SCALE
        before = np.concatenate([centred[:, :1], centred[:, :-1]], axis=1)
        windowed = (centred - PREEMPHASIS * before) * self.window
        real, imaginary = self.transform(windowed)
        power = real * real + imaginary * imaginary
        energies = np.zeros((len(frames), self.front_end.bands), np.float32)
        for place, band, weight in self.triangles:
            energies[:, band] += weight * power[:, place]
        return np.maximum(energies, FLOOR)

    def transform(self, frames: Floats) -> tuple[Floats, Floats]:
        """Return the discrete Fourier transform of frames that are filled up to ``size``."""
        order = reversed_bits(self.size)
        filled = np.zeros((len(frames), self.size), np.float32)
        filled[:, : self.frame] = frames
        real, imaginary = filled[:, order], np.zeros_like(filled)
        half = 1
        while half < self.size:
            stride = self.size // (2 * half)
            c, s = self.cosine[::stride], self.sine[::stride]
            a, b = (part.reshape(len(frames), -1, 2, half) for part in (real, imaginary))
            top, side = a[:, :, 1] * c - b[:, :, 1] * s, a[:, :, 1] * s + b[:, :, 1] * c
            real = np.stack([a[:, :, 0] + top, a[:, :, 0] - top], axis=2).reshape(len(frames), -1)
            imaginary = np.stack([b[:, :, 0] + side, b[:, :, 0] - side], axis=2).reshape(len(frames), -1)
            half *= 2
        return real, imaginary


def log2(energies: Floats) -> Integers:
    """Return logarithms to base 2 of positive float32 numbers, with `LOG_BITS` bits after the point.

    Examples:
        >>> log2(np.array([1.0, 2.0, 3.0, 0.5], np.float32)).tolist()     # log2(3) = 103872 / 65536
        [0, 65536, 103872, -65536]
    """
    bits = energies.view(np.uint32).astype(np.int64)
    table = np.array(LOG_TABLE)
    rest_bits = 23 - TABLE_BITS
    place, rest = (bits >> rest_bits) & ((1 << TABLE_BITS) - 1), bits & ((1 << rest_bits) - 1)
    line = table[place] + (((table[place + 1] - table[place]) * rest) >> rest_bits)
    return (((bits >> 23) - 127) << LOG_BITS) + line


def reversed_bits(size: int) -> Integers:
    """Return the order in which a transform of radix 2 takes its inputs.

    Examples:
        >>> reversed_bits(8).tolist()
        [0, 4, 2, 6, 1, 5, 3, 7]
    """
    order = np.zeros(1, np.int64)
    while len(order) < size:
        order = np.concatenate([2 * order, 2 * order + 1])
    return order


def hearing_header(hearing: Hearing, name: str) -> str:
    """Write what the front end adds to a header: its state, and a function that takes samples."""
    return f"""
#define {name.upper()}_RATE {hearing.front_end.rate} /* samples a second */
#define {name.upper()}_FRAME {hearing.frame}
#define {name.upper()}_HOP {hearing.hop} /* samples of a time step */

typedef struct {{
    {name}_state net;
    int16_t samples[{hearing.frame}]; /* those of the coming frame */
    uint32_t filled;
    float real[{hearing.size}], imaginary[{hearing.size}];
    int16_t bands[{hearing.front_end.bands}]; /* what the network got in the last step */
}} {name}_listener;

/* Begin a recording. */
void {name}_begin({name}_listener *listener);

/* Take a sample; returns 1 if with it a time step was taken, else 0. */
int {name}_sample({name}_listener *listener, int16_t sample);
"""


def hearing_source(hearing: Hearing, name: str) -> str:
    """Write the front end."""
    size, frame, bands = hearing.size, hearing.frame, hearing.front_end.bands
    stages = size.bit_length() - 1
    triangles = hearing.triangles
    starts = np.searchsorted([place for place, _, _ in triangles], np.arange(size // 2 + 1))
    triangle_lines = ",\n".join(f"    {{{band}, {_hex(weight)}}}" for _, band, weight in triangles)
    return f"""\
static const float window[{frame}] = {{
{_floats(hearing.window)}
}};
static const float cosine[{size // 2}] = {{
{_floats(hearing.cosine)}
}};
static const float sine[{size // 2}] = {{
{_floats(hearing.sine)}
}};

/* Shares of the bins in bands, and where those of each bin begin. */
static const struct {{
    uint8_t band;
    float weight;
}} triangles[{len(triangles)}] = {{
{triangle_lines}
}};
static const uint16_t starts[{len(starts)}] = {{
{_integers(starts.tolist())}
}};

/* log2(1 + i / {1 << TABLE_BITS}), {LOG_BITS} bits after the point */
static const uint32_t logarithms[{len(LOG_TABLE)}] = {{
{_integers(LOG_TABLE)}
}};

/* Logarithm to base 2 of a positive number, from its bits. */
static int32_t logarithm(float number)
{{
    const union {{
        float number;
        uint32_t bits;
    }} both = {{number}};
    const uint32_t place = both.bits >> {23 - TABLE_BITS} & {(1 << TABLE_BITS) - 1};
    const uint32_t rest = both.bits & {(1 << (23 - TABLE_BITS)) - 1};
    const uint32_t line = logarithms[place] + ((logarithms[place + 1] - logarithms[place]) * rest >> \
{23 - TABLE_BITS});
    return ((int32_t)(both.bits >> 23) - 127) * {1 << LOG_BITS} + (int32_t)line;
}}

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

void {name}_begin({name}_listener *listener)
{{
    {name}_reset(&listener->net);
    listener->filled = 0;
}}

int {name}_sample({name}_listener *listener, int16_t sample)
{{
    listener->samples[listener->filled++] = sample;
    if (listener->filled < {frame})
        return 0;
    int32_t sum = 0;
    for (unsigned i = 0; i < {frame}; i++)
        sum += listener->samples[i];
    const float mean = (float)sum / {_hex(np.float32(frame))};
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
    float energies[{bands}] = {{0}};
    for (unsigned bin = 0; bin < {size // 2}; bin++) {{
        const float power = real[bin] * real[bin] + imaginary[bin] * imaginary[bin];
        for (unsigned i = starts[bin]; i < starts[bin + 1]; i++)
            energies[triangles[i].band] += triangles[i].weight * power;
    }}
    for (unsigned band = 0; band < {bands}; band++) {{
        const float energy = energies[band] > {_hex(FLOOR)} ? energies[band] : {_hex(FLOOR)};
        const int64_t product = (int64_t)logarithm(energy) * {hearing.multiplier} + {1 << (LOG_BITS + UNIT_BITS - 1)};
        {name}_event(&listener->net, band, (int)(product >> {LOG_BITS + UNIT_BITS}));
        listener->bands[band] = listener->net.input[band];
    }}
    {name}_step(&listener->net);
    listener->filled = {frame - hearing.hop};
    for (unsigned i = 0; i < listener->filled; i++)
        listener->samples[i] = listener->samples[i + {hearing.hop}];
    return 1;
}}
"""


def _hex(value: np.float32) -> str:
    return f"{float(value).hex()}f"


def _floats(values: Floats) -> str:
    return _lines([_hex(value) for value in values])


def _integers(values: list[int]) -> str:
    return _lines([str(value) for value in values])


def _lines(words: list[str]) -> str:
    return ",\n".join("    " + ", ".join(words[i : i + 8]) for i in range(0, len(words), 8))
